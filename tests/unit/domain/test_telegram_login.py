import pytest

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.telegram_login import (
    MAX_PASSWORD,
    check_password_text,
    clean_bot_token,
    clean_code,
    clean_phone,
)


@pytest.mark.parametrize(
    "text",
    [
        "+44 20 7946 0000",
        "442079460000",
        " +44 (20) 7946-0000 ",
        "+44.20.7946.0000",
        "+44\u00a020\u20117946\u20130000",
    ],
)
def test_a_phone_number_is_read_however_it_is_grouped(text: str) -> None:
    assert clean_phone(text) == "442079460000"


@pytest.mark.parametrize(
    "text", ["", "+", "1234", "1" * 33, "+44 20 79x", "+44 20 7946 0000 ext 5", "４４２０７"]
)
def test_what_is_no_phone_number_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        clean_phone(text)
    assert caught.value.field == "phone"
    assert not text.strip("+") or text not in caught.value.message


@pytest.mark.parametrize(
    ("text", "code"),
    [("12345", "12345"), (" 12 345 ", "12345"), ("12-345", "12345"), ("Guiding light\n", "Guiding light")],
)
def test_a_code_is_read_with_the_gaps_that_people_type(text: str, code: str) -> None:
    assert clean_code(text) == code


@pytest.mark.parametrize("text", ["", "  ", "1" * 65])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        clean_code(text)
    assert caught.value.field == "code"


def test_a_bot_token_is_read_without_the_space_around_it() -> None:
    assert clean_bot_token(" 123456:ABC-DEF1234ghIkl_zyx\n") == "123456:ABC-DEF1234ghIkl_zyx"


@pytest.mark.parametrize(
    "text", ["", "123456", "ABC:DEF1234ghIkl", "123456:short", "123456:ABC DEF1234ghIkl"]
)
def test_what_is_no_bot_token_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        clean_bot_token(text)
    assert caught.value.field == "token"
    assert len(text) < 8 or text not in caught.value.message


@pytest.mark.parametrize("text", ["x", " spaces count ", "пароль 🔑", "x" * MAX_PASSWORD])
def test_a_password_is_taken_as_it_is(text: str) -> None:
    assert check_password_text(text) is text


@pytest.mark.parametrize("text", ["", "x" * (MAX_PASSWORD + 1)])
def test_no_password_and_a_whole_page_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_password_text(text)
    assert caught.value.field == "password"
