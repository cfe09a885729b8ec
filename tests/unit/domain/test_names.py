import pytest

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.names import MAX_NAME_LENGTH, check_name, choose_free_name, name_stem


def test_names_lose_blanks_around_them() -> None:
    assert check_name("  Новости 📰 ") == "Новости 📰"


@pytest.mark.parametrize(
    "name", ["", "  \n", "x" * 201, "a\nb", "a\0b", "\x1b[31mred", "caf\udce9", "a\u2028b"]
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_name(name, field="name")
    assert caught.value.field == "name"
    assert caught.value.message.isprintable()


def test_a_taken_name_gets_the_next_number() -> None:
    assert choose_free_name("a", set()) == "a"
    assert choose_free_name("a", {"a", "a (2)", "a (4)"}) == "a (3)"


def test_a_numbered_name_is_not_too_long_and_begins_with_the_stem() -> None:
    long = "x" * MAX_NAME_LENGTH
    numbered = choose_free_name(long, {long})
    assert len(numbered) <= MAX_NAME_LENGTH
    assert numbered.startswith(name_stem(long))
