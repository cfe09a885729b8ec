import codecs
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.channel_lists import (
    MAX_LINE_LENGTH,
    MAX_LIST_BYTES,
    MAX_ROWS,
    ChannelList,
    ListForm,
    parse_channel_list,
)
from vestnik.domain.csv_cells import guard_cell, unguard_cell
from vestnik.domain.errors import InvalidInputError


def name_all(result: ChannelList) -> list[str]:
    return [str(name) for name in result.names]


def test_a_list_skips_blanks_comments_and_repetitions() -> None:
    result = parse_channel_list(
        b"# news\n@one_news\n\n  \nt.me/ONE_NEWS\n two_news \n-1001234567890\n1234567890\n"
    )
    assert [str(name) for name in result.names] == ["@one_news", "@two_news", "-1001234567890"]
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


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        parse_channel_list(data, ListForm.TABLE)


def test_more_rows_than_allowed_are_refused() -> None:
    for form in (ListForm.LINES, ListForm.TABLE):
        with pytest.raises(InvalidInputError, match="200,000 lines"):
            parse_channel_list(b"x\n" * (MAX_ROWS + 1), form)


@pytest.mark.parametrize(
    "text",
    [
        "username,title\none_news,Morning\n@two_news,\n",
        'Title;Link\n"Morning";https://t.me/one_news\n;t.me/two_news\n',
        "id\tchannel\tname\n17\t@one_news\tMorning\n\t'@two_news\t\n",
        "sep=;\n\nНазвание;Канал\nMorning;one_news\n;two_news\n",
        '"user name","title"\n"one_news","Mor\nning"\ntwo_news\n',
    ],
)
def test_tables_are_read_by_the_names_of_their_columns(text: str) -> None:
    result = parse_channel_list(text.encode())
    assert name_all(result) == ["@one_news", "@two_news"]
    assert set(result.titles) == {"one_news"}
    assert result.titles["one_news"].replace(" ", "") == "Morning"
    assert result.invalid == ()


def test_an_id_is_taken_where_a_row_has_no_name() -> None:
    result = parse_channel_list(b"username,id\n,'-1001234567890\none_news,-1001234567007\n")
    assert name_all(result) == ["-1001234567890", "@one_news"]


def test_without_a_header_the_first_column_names_the_channel() -> None:
    result = parse_channel_list(b"@one_news;Morning\n@two_news;Evening\n", ListForm.TABLE)
    assert name_all(result) == ["@one_news", "@two_news"]
    assert result.titles == {}


def test_a_table_of_one_column_may_have_a_header_but_a_list_may_not() -> None:
    data = b"channel\none_news\n"
    assert name_all(parse_channel_list(data, ListForm.TABLE)) == ["@one_news"]
    assert name_all(parse_channel_list(data)) == ["@channel", "@one_news"]


def test_every_line_that_is_left_out_is_told_with_its_reason() -> None:
    result = parse_channel_list(
        b'link,title\none_news,A\nt.me/+secret,B\n"=HYPERLINK(1)",C\n"bad"quote,D\nONE_NEWS,E\n,only\n# note\n\n'
        b"two_news," + b"x" * 256 + b"\n"
    )
    assert name_all(result) == ["@one_news"]
    reasons = [(bad.line, bad.reason) for bad in result.invalid]
    assert [line for line, _ in reasons] == [3, 4, 5, 7, 10]
    for (_, reason), words in zip(
        reasons,
        ["private invitation", "formula", "misplaced quotes", "not a username", "title has 256"],
        strict=True,
    ):
        assert words in reason
    (again,) = result.repeated
    assert (again.line, again.text, again.reason) == (6, "ONE_NEWS", "names the same channel as line 2")


def test_rows_are_numbered_by_the_line_on_which_they_begin() -> None:
    result = parse_channel_list(b'sep=,\r\nlink,title\r\none_news,"two\r\nlines"\r\n?,\r\n')
    assert [(bad.line, bad.text) for bad in result.invalid] == [(5, "?")]


def test_a_quoted_cell_without_an_end_is_fatal() -> None:
    with pytest.raises(InvalidInputError, match="line 2 has a quoted cell"):
        parse_channel_list(b'link,title\none_news,"Morning\ntwo_news,Evening\n')


def test_a_line_longer_than_any_cell_may_be_is_one_bad_line() -> None:
    result = parse_channel_list(b"link,title\n" + b"x" * 200_000 + b",\none_news,\n")
    assert [(bad.line, bad.reason) for bad in result.invalid] == [(2, "longer than 300 characters")]
    assert name_all(result) == ["@one_news"]


@given(st.text(max_size=20))
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    guarded = guard_cell(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    if not text.startswith("'"):
        assert unguard_cell(guarded) == text


def test_the_numbers_of_rows_are_no_channels() -> None:
    result = parse_channel_list(b"1\n2\n999999\n1000000000\n")
    assert [str(name) for name in result.names] == ["-1001000000000"]
    assert [bad.line for bad in result.invalid] == [1, 2, 3]


@pytest.mark.parametrize(
    ("data", "column"),
    [
        (b"1,@one_news,Morning\n2,@two_news,Evening\n", 2),
        (b"1;Morning;https://t.me/one_news\n2;Evening;t.me/two_news\n", 3),
        (b"1\tone_news\n2\ttwo_news\n", 2),
        (b"@one_news,1500000\n@two_news,2500000\n", 1),
        (b"one_news,Morning\ntwo_news,Evening\n", 1),
        (b"#,Name\n1,@one_news\n2,@two_news\n", 2),
    ],
    ids=["names", "links", "bare words", "subscribers", "titles", "header that tells nothing"],
)
def test_without_a_header_the_column_in_which_addresses_stand_is_taken_and_told(
    data: bytes, column: int
) -> None:
    result = parse_channel_list(data, ListForm.TABLE)
    assert name_all(result) == ["@one_news", "@two_news"]
    assert result.column == column


def test_the_column_of_names_goes_before_that_of_ids_which_fills_its_gaps() -> None:
    result = parse_channel_list(b"1,-1001234567890,@one_news\n2,-1001234567891,\n", ListForm.TABLE)
    assert name_all(result) == ["@one_news", "-1001234567891"]
    assert result.column == 3


def test_a_column_of_remarks_with_few_addresses_is_not_taken() -> None:
    data = b"1,-1001234567890,ask @editor\n2,-1001234567891,@two_news?\n3,-1001234567892,old\n4,-1001234567893,x\n"
    result = parse_channel_list(data, ListForm.TABLE)
    assert result.column == 2
    assert len(result.names) == 4


def test_bad_lines_of_a_table_come_in_their_order() -> None:
    data = b'1,@one_news\n2,bad name\n3,@t"wo\n4,"a"b\n5,@three_news\n'
    result = parse_channel_list(data, ListForm.TABLE)
    assert [bad.line for bad in result.invalid] == sorted(bad.line for bad in result.invalid)
    assert len(result.invalid) == 3


def test_any_list_with_addresses_beside_something_else_is_a_table() -> None:
    result = parse_channel_list(b"1,@one_news,Morning\n2,@two_news,Evening\n")
    assert name_all(result) == ["@one_news", "@two_news"]
    assert result.column == 2


def test_any_list_with_several_channels_a_line_is_no_table() -> None:
    result = parse_channel_list(b"@one_news, @two_news\n@three_news, @four_news\n")
    assert result.names == ()
    assert [bad.line for bad in result.invalid] == [1, 2]
    assert result.column is None


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "utf-16", "cp866"])
def test_a_named_encoding_is_used(encoding: str) -> None:
    data = "канал,название\n@one_news,Утро\n".encode(encoding)
    result = parse_channel_list(data, ListForm.TABLE, encoding=encoding)
    assert list(result.titles.values()) == ["Утро"]


def test_text_in_another_encoding_is_refused_with_the_cure() -> None:
    data = "@one_news\nУтро\n".encode("cp1251")
    with pytest.raises(InvalidInputError, match=r"line 2 is not UTF-8 text; save the list .* in UTF-8"):
        parse_channel_list(data)
    with pytest.raises(InvalidInputError, match=r"line 2 is not gbk text; .*name the encoding"):
        parse_channel_list(b"@one_news\n\xff\xff\n", encoding="gbk")
