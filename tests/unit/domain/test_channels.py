import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.channels import MAX_TITLE_LENGTH, ChannelName, check_title, parse_channel_name
from vestnik.domain.errors import InvalidInputError


@pytest.mark.parametrize(
    "text",
    [
        "@Example_News",
        "Example_News",
        "  @Example_News\t",
        "t.me/Example_News",
        "https://t.me/Example_News",
        "http://www.t.me/Example_News/",
        "HTTPS://T.ME/Example_News",
        "https://telegram.me/Example_News",
        "https://t.me/s/Example_News",
        "https://t.me/Example_News/123",
        "https://t.me/Example_News?boost",
        "\u200b@Example_News\ufeff",
    ],
)
def test_spellings_of_a_username(text: str) -> None:
    assert parse_channel_name(text) == ChannelName(username="Example_News")


@pytest.mark.parametrize("text", ["-1001234567890", "1234567890", "https://t.me/c/1234567890/5"])
def test_spellings_of_an_id(text: str) -> None:
    name = parse_channel_name(text)
    assert name == ChannelName(tg_id=1234567890)
    assert str(name) == "-1001234567890"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://t.me/+AbCdEf", "private invitation"),
        ("t.me/joinchat/AbCdEf", "private invitation"),
        ("https://t.me/addstickers/Some", "does not lead to a channel"),
        ("https://t.me/", "without a channel's name"),
        ("https://example.org/name", "not a link"),
        ("@abc", "not a username"),
        ("@1name", "not a username"),
        ("two words", "not a username"),
        ("имя_канала", "not a username"),
        ("a" * 33, "not a username"),
        ("@", "not a username"),
        ("-123456", "basic group"),
        ("-1000000000000", "basic group"),
        ("0", "not a channel's id"),
        ("1001234567890", "not a channel's id"),
        ("9" * 5000, "not a channel's id"),
        ("https://t.me/c/" + "9" * 5000, "not a channel's id"),
    ],
)
def test_what_is_no_channel(text: str, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        parse_channel_name(text)


@given(st.text(max_size=60))
def test_any_text_is_a_channel_or_refused(text: str) -> None:
    try:
        name = parse_channel_name(text)
    except InvalidInputError:
        return
    assert parse_channel_name(str(name)).key == name.key


def test_a_title_is_one_line_of_printable_text() -> None:
    assert check_title("  Evening\n\tnews\0 ") == "Evening news"
    assert check_title(" \n ") is None
    with pytest.raises(InvalidInputError, match="256 characters"):
        check_title("x" * (MAX_TITLE_LENGTH + 1))


@pytest.mark.parametrize(
    "text",
    [
        "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10",
        "-100123456\u0667890",
        "t.me/c/\uff11\uff12\uff13\uff14\uff15\uff16\uff17/5",
        "@news_\uff12",
    ],
)
def test_digits_of_other_scripts_are_refused_in_addresses(text: str) -> None:
    with pytest.raises(InvalidInputError, match="digits other than 0 to 9"):
        parse_channel_name(text)
