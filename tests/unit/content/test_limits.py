import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.content import CAPTION, FormattedText, check_length, count_units
from vestnik.domain.errors import InvalidInputError


@given(st.text())
def test_units_are_those_of_utf16(text: str) -> None:
    assert count_units(text) == len(text.encode("utf-16-le")) // 2


def test_texts_of_exactly_the_limit_are_taken() -> None:
    check_length(FormattedText(text="😀" * 2048))
    check_length(FormattedText(text="я" * 1024), CAPTION)
    check_length(FormattedText(text=""), CAPTION)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 4101, "4,101 of 4,096 UTF-16 units: 5 too many"),
        ("😀" * 2048 + "!", "4,097 of 4,096 UTF-16 units: 1 too many"),
        ("", "is empty"),
    ],
)
def test_the_error_says_how_much_is_too_much(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_length(FormattedText(text=text), field="text")
    assert words in caught.value.message
    assert caught.value.field == "text"
