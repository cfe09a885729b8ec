import codecs
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.channels import (
    MAX_LINE_LENGTH,
    MAX_LIST_BYTES,
    ChannelName,
    parse_channel_list,
    parse_channel_name,
)
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


def test_a_list_skips_blanks_comments_and_repetitions() -> None:
    result = parse_channel_list(b"# news\n@one_news\n\n  \nt.me/ONE_NEWS\n two_news \n-1000000000123\n123\n")
    assert [str(name) for name in result.names] == ["@one_news", "@two_news", "-1000000000123"]
    assert result.duplicates == 2
    assert result.invalid == ()


def test_bad_lines_are_numbered_as_editors_number_them() -> None:
    result = parse_channel_list(b"@one_news\r\n\x0b bad\x0b line\r\r\nt.me/+secret\nok_name\n")
    assert [(bad.line, bad.text) for bad in result.invalid] == [(2, "bad\ufffd line"), (4, "t.me/+secret")]
    assert [str(name) for name in result.names] == ["@one_news", "@ok_name"]


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + b"@one_news\r\n@two_news\r\n",
        codecs.BOM_UTF16_LE + "@one_news\r\n@two_news".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "@one_news\n@two_news".encode("utf-16-be"),
    ],
)
def test_byte_order_marks_of_editors(data: bytes) -> None:
    assert [name.username for name in parse_channel_list(data).names] == ["one_news", "two_news"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"@one_news\n\x89PNG\r\n", 2),
        (b"@one_news\n@two\0news\n", 2),
        ("@one_news\n# новости\n".encode("cp1251"), 2),
        (codecs.BOM_UTF16_LE + b"a", 1),
    ],
)
def test_what_is_no_text_is_refused_by_line(data: bytes, line: int) -> None:
    with pytest.raises(InvalidInputError, match=f"line {line} "):
        parse_channel_list(data)


def test_limits_of_a_list() -> None:
    with pytest.raises(InvalidInputError, match="10 MiB"):
        parse_channel_list(b"\n" * (MAX_LIST_BYTES + 1))
    (bad,) = parse_channel_list(b"x" * (MAX_LINE_LENGTH + 1)).invalid
    assert "longer than" in bad.reason
    assert len(bad.text) < 100


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        parse_channel_list(data)
