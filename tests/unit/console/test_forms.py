"""What forms hold: what was typed, as it was typed, and what is wrong with it."""

from io import BytesIO

import pytest
from starlette.datastructures import UploadFile

from vestnik.console.forms import Form, make_request_key
from vestnik.domain.errors import InvalidInputError


def test_an_empty_form_has_nothing() -> None:
    form = Form()
    assert form.text("name") == ""
    assert form.optional("name") is None
    assert form.texts("channels") == ()
    assert not form.flag("active")
    assert form.problem("name") == ""
    assert form.revision() is None


def test_a_form_starts_with_what_there_is() -> None:
    form = Form.start(name="Утро", rate=20, active=True, retired=False, note=None, channels=["a", "b"])
    assert form.text("name") == "Утро"
    assert form.text("rate") == "20"
    assert form.flag("active")
    assert not form.flag("retired")
    assert not form.flag("note")
    assert form.texts("channels") == ["a", "b"]


def test_zero_is_a_value() -> None:
    assert Form.start(retry_limit=0).text("retry_limit") == "0"


def test_what_was_typed_is_kept_to_the_blank() -> None:
    form = Form(values={"text": ["  a \r\n b\n"]})
    assert form.text("text") == "  a \n b\n"
    assert form.optional("text") == "a \n b"


def test_of_a_field_that_is_there_twice_the_last_counts() -> None:
    # A hidden field before a box stands for the box that is not checked.
    assert Form(values={"mode": ["TEST", "LIVE"]}).text("mode") == "LIVE"


@pytest.mark.parametrize(("typed", "number"), [("3", 3), (" 12 ", 12), ("-1", -1), ("007", 7), ("0", 0)])
def test_whole_numbers_are_read(typed: str, number: int) -> None:
    assert Form(values={"limit": [typed]}).whole("limit") == number


@pytest.mark.parametrize(
    "typed", ["", " ", "1.5", "1,5", "٣", "²", "1e3", "--1", "+1", "12345678901", "1_000", "0x10"]
)
def test_what_is_no_whole_number_is_told_at_its_field(typed: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        Form(values={"limit": [typed]}).whole("limit")
    assert error.value.field == "limit"


@pytest.mark.parametrize(
    ("typed", "revision"), [("4", 4), ("", None), ("-1", None), ("x", None), ("9" * 30, None)]
)
def test_a_revision_that_is_none_is_not_checked(typed: str, revision: int | None) -> None:
    assert Form(values={"revision": [typed]}).revision() == revision


def test_problems_belong_to_their_fields_and_leave_what_was_typed() -> None:
    form = Form(values={"name": [""]}).with_problems(name="Empty", **{"": "Something else"})
    assert form.problem("name") == "Empty"
    assert form.problem("") == "Something else"
    assert form.problem("rate") == ""
    assert form.text("name") == ""


async def test_files_are_read() -> None:
    form = Form(files={"file": UploadFile(BytesIO(b"@a\n@b\n"), filename="list.txt")})
    assert await form.file("file") == b"@a\n@b\n"
    assert await form.file("other") == b""


def test_what_was_typed_stands_in_no_log() -> None:
    assert "secret" not in repr(Form(values={"password": ["secret"]}))


def test_every_form_has_a_key_of_its_own() -> None:
    keys = {make_request_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 24 for key in keys)
