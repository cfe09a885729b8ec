import pytest

from vestnik.domain.templates import is_blank


@pytest.mark.parametrize("text", ["", " \n\t\u200b\u00a0", "\u2028\u2029", "\u3000"])
def test_what_nobody_can_see_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["x", " . ", "😀", "\u200b\u0301"])
def test_what_can_be_seen_is_not(text: str) -> None:
    assert not is_blank(text)
