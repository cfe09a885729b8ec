import pytest

from vestnik.domain.text_encodings import find_encoding


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("UTF-8", "utf-8"),
        ("windows-1251", "cp1251"),
        ("koi8-r", "koi8-r"),
        ("UTF-16LE", "utf-16-le"),
        ("us-ascii", "ascii"),
        ("latin1", "iso8859-1"),
    ],
)
def test_encodings_are_found_by_the_names_that_the_web_uses(charset: str, encoding: str) -> None:
    assert find_encoding(charset) == encoding


@pytest.mark.parametrize(
    "charset",
    ["", "klingon", "base64", "rot13", "idna", "punycode", "undefined", "../x", "a" * 99, "utf-8\0"],
)
def test_what_is_no_encoding_of_texts_is_not_found(charset: str) -> None:
    assert find_encoding(charset) is None
