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


@pytest.mark.parametrize(
    "mark",
    [
        *"\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad\u061c",
        "\u3164",
        "\U000e0041",
    ],
)
def test_a_name_with_a_character_that_nobody_sees_is_refused_by_its_number(mark: str) -> None:
    with pytest.raises(InvalidInputError, match=f"the batch_name holds .* U\\+{ord(mark):04X}") as caught:
        check_name(f"news{mark}room", field="batch_name")
    assert caught.value.field == "batch_name"


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u2764\ufe0f hearts",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "cafe\u0301",
        "a b",
        "\u05d7\u05d3\u05e9\u05d5\u05ea",
    ],
    ids=["joined emoji", "Persian", "variation selector", "flag of Scotland", "accent", "no-break", "Hebrew"],
)
def test_what_scripts_and_emoji_need_stays_in_a_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["\u200d", "\u200c\ufe0f"])
def test_a_name_of_joiners_alone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="can be seen"):
        check_name(name)


def test_a_taken_name_gets_the_next_number() -> None:
    assert choose_free_name("a", set()) == "a"
    assert choose_free_name("a", {"a", "a (2)", "a (4)"}) == "a (3)"


def test_a_numbered_name_is_not_too_long_and_begins_with_the_stem() -> None:
    long = "x" * MAX_NAME_LENGTH
    numbered = choose_free_name(long, {long})
    assert len(numbered) <= MAX_NAME_LENGTH
    assert numbered.startswith(name_stem(long))
