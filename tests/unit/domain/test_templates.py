import pytest

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.templates import check_text


def test_a_text_of_exactly_the_limit_is_taken() -> None:
    assert check_text("😀" * 2048) == "😀" * 2048
    assert check_text("я" * 4096)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("😀" * 2048 + "!", "is 1 too long: it has 4097 UTF-16 units"),
        ("x" * 5000, "is 904 too long: it has 5000"),
        ("", "empty"),
        (" \n\t\u200b\u00a0", "empty"),
        ("a\0b", "NUL character at position 2"),
        ("caf\udce9", "not valid UTF-8"),
    ],
)
def test_texts_that_telegram_would_refuse(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_text(text)
    assert words in caught.value.message
    assert caught.value.field == "text"


def test_line_ends_are_those_of_telegram_and_the_rest_stays() -> None:
    assert check_text("  one\r\ntwo\rthree \n") == "  one\ntwo\nthree \n"
