"""Variables: what they become, and that they never become formatting."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.content import (
    CAPTION,
    EntityType,
    MessageEntity,
    ParseMode,
    Template,
    Values,
    Variable,
    check_length,
    check_template,
    compile_template,
    list_variables,
    measure,
    parse_html,
    parse_plain,
    read_parse_mode,
    render,
    template_from_json,
    template_to_json,
)
from vestnik.content.normalising import Units
from vestnik.domain.errors import InvalidInputError

AT = datetime(2026, 5, 9, 14, 5, tzinfo=timezone(timedelta(hours=3)))
NEWS = Values(channel_title="Новости <b>дня</b> 😀", channel_username="day_news", at=AT)
PRIVATE = Values(channel_title="Свои *и* чужие", channel_username=None, at=AT)


def fill(source: str, values: Values, mode: ParseMode | None = ParseMode.HTML) -> str:
    return render(compile_template(source, mode), values).text


def test_each_variable_has_its_value() -> None:
    source = "{channel_title}|{channel_username}|{channel_mention}|{date}|{time}"
    assert fill(source, NEWS, None) == "Новости <b>дня</b> 😀|day_news|@day_news|09.05.2026|14:05"


def test_a_channel_without_a_username_is_named_by_its_title() -> None:
    assert fill("{channel_username} {channel_mention}", PRIVATE) == "Свои *и* чужие Свои *и* чужие"


def test_a_link_that_needs_a_username_fails_only_where_there_is_none() -> None:
    template = parse_html('<a href="https://t.me/{channel_username}?start={channel_title}">x</a>')
    assert render(template, NEWS).entities[0].url == (
        "https://t.me/day_news?start=%D0%9D%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8%20%3Cb%3E%D0%B4%D0%BD%D1%8F"
        "%3C%2Fb%3E%20%F0%9F%98%80"
    )
    with pytest.raises(
        InvalidInputError, match=r"needs \{channel_username\}, and this channel has no username"
    ):
        render(template, PRIVATE)


def test_every_variable_is_described_and_listed() -> None:
    for variable in Variable:
        assert variable.description.endswith(".")
        assert f"{{{variable.value}}}" in list_variables()
        assert fill(f"{{{variable.value}}}", NEWS, None)


@pytest.mark.parametrize("mode", [None, ParseMode.HTML, ParseMode.MARKDOWN])
def test_values_never_become_formatting_or_variables(mode: ParseMode | None) -> None:
    values = Values(
        channel_title="<b>x</b> *y* _z_ {date} [a](https://x.y) &lt;", channel_username=None, at=AT
    )
    formatted = render(compile_template("a {channel_title} b", mode), values)
    assert formatted.text == f"a {values.channel_title} b"
    assert formatted.entities == ()


def test_control_characters_of_a_title_do_not_fail_a_post() -> None:
    assert (
        fill("{channel_title}", Values(channel_title="a\0b\tc\u202ed\ud800", channel_username=None, at=AT))
        == "a b cd"
    )


def test_formatting_around_an_empty_value_is_gone() -> None:
    nameless = Values(channel_title="", channel_username=None, at=AT)
    formatted = render(parse_html("a <b>{channel_title}</b> <i>c</i>"), nameless)
    assert formatted.text == "a  c"
    assert formatted.entities == (MessageEntity(type=EntityType.ITALIC, offset=3, length=1),)


@given(st.text(max_size=20), st.text("x😀 \n", max_size=8), st.text("x😀 ", max_size=8))
def test_filling_never_moves_formatting_off_its_text(title: str, before: str, between: str) -> None:
    source = f"s{before}{{channel_title}}{between}<b>😀 bold</b>{{channel_title}}<i>{{channel_title}}it</i>"
    formatted = render(parse_html(source), Values(channel_title=title, channel_username=None, at=AT))
    units = Units(formatted.text)
    bold, italic = formatted.entities
    assert units.cut(bold.offset, bold.end) == "😀 bold"
    assert units.cut(italic.offset, italic.end).endswith("it")
    assert italic.end == len(units)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="zone"):
        Values(channel_title="x", channel_username=None, at=AT.replace(tzinfo=None))


def test_a_template_with_variables_cannot_be_rendered_without_values() -> None:
    with pytest.raises(ValueError, match="channel_title"):
        render(parse_plain("{channel_title}"))


def test_measuring_counts_what_is_posted() -> None:
    template = parse_html("  <b>{channel_title}</b> ")
    assert measure(template, NEWS) == len("Новости <b>дня</b> ") + 2


def test_saving_refuses_what_overflows_in_every_channel() -> None:
    check_template(parse_plain("x" * 4096 + "{channel_title}"))
    with pytest.raises(InvalidInputError, match=r"4,097 of 4,096 UTF-16 units: 1 too many"):
        check_template(parse_plain("x" * 4097 + "{channel_title}"))
    with pytest.raises(
        InvalidInputError, match=r"the caption is too long: 1,026 of 1,024 UTF-16 units: 2 too many"
    ):
        check_template(parse_plain("😀" * 513), CAPTION)


def test_one_channel_can_overflow_where_others_fit() -> None:
    template = parse_plain("x" * 4090 + "{channel_title}")
    check_template(template)
    check_length(render(template, Values(channel_title="short", channel_username=None, at=AT)))
    with pytest.raises(InvalidInputError, match=r"4,103 of 4,096 UTF-16 units: 7 too many"):
        check_length(render(template, Values(channel_title="a longer name", channel_username=None, at=AT)))


def test_saving_refuses_more_formatting_than_telegram_keeps() -> None:
    check_template(parse_html("<b>x</b>y" * 100))
    check_template(parse_html("<b>x</b>" * 200))
    for tail in ("", "{date}"):
        with pytest.raises(
            InvalidInputError, match="101 pieces of formatting and Telegram keeps 100: take 1 out"
        ):
            check_template(parse_html("<b>x</b>y" * 101 + tail))


def test_saving_refuses_a_text_without_anything_to_see() -> None:
    for source in ("", "  \n", "\u200b", "<b> </b>"):
        with pytest.raises(InvalidInputError, match="empty"):
            check_template(parse_html(source), field="text")
        check_template(parse_html(source), CAPTION)
    check_template(parse_html("{channel_title}"))


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        (None, None),
        ("", None),
        ("html", ParseMode.HTML),
        ("HTML", ParseMode.HTML),
        ("Markdown", ParseMode.MARKDOWN),
        ("MARKDOWN", ParseMode.MARKDOWN),
        ("MarkdownV2", ParseMode.MARKDOWN),
    ],
)
def test_spellings_of_the_parse_mode(word: str | None, mode: ParseMode | None) -> None:
    assert read_parse_mode(word) is mode


def test_other_parse_modes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="HTML or Markdown") as caught:
        read_parse_mode("bbcode")
    assert caught.value.field == "parseMode"


def test_a_stored_template_comes_back_unchanged() -> None:
    template = parse_html(
        '{{<b>😀{channel_title}</b> <a href="https://x.y/{date}?{{">z</a>}} <pre>{time}</pre>'
    )
    stored = template_to_json(template)
    assert template_from_json(stored) == template
    assert stored["parts"][:2] == ["{😀", {"variable": "channel_title"}]
    assert render(template_from_json(stored), NEWS) == render(template, NEWS)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"parts": "x"},
        {"parts": [1]},
        {"parts": [{"variable": "nothing"}]},
        {"parts": [{"variable": []}]},
        {"entities": None},
        {"entities": [{"type": "bold", "offset": 0, "length": 9}]},
        {"entities": [{"type": "bold", "offset": -1, "length": 1}]},
        {"entities": [{"type": "bold", "offset": True, "length": 1}]},
        {"entities": [{"type": "bold", "offset": 0, "length": 0}]},
        {"entities": [{"type": "bold", "offset": 0, "length": 1, "url": "https://x.y"}]},
        {"entities": [{"type": "blink", "offset": 0, "length": 1}]},
        {"entities": [{"type": [], "offset": 0, "length": 1}]},
        {"entities": [{"type": "text_link", "offset": 0, "length": 1}]},
        {"entities": [{"type": "text_link", "offset": 0, "length": 1, "url": "javascript:x"}]},
        {"entities": [{"type": "text_link", "offset": 0, "length": 1, "url": "https://x.y/{oops}"}]},
        {"entities": [{"type": "text_link", "offset": 0, "length": 1, "url": "https://x.y/{"}]},
        {"entities": [{"type": "text_mention", "offset": 0, "length": 1, "user_id": True}]},
        {"entities": [{"type": "custom_emoji", "offset": 0, "length": 1, "custom_emoji_id": 5}]},
        {"more": 1},
    ],
)
def test_damaged_stored_templates_are_refused(change: dict[str, object]) -> None:
    stored = {"version": 1, "parts": ["x", {"variable": "date"}], "entities": []}
    assert template_from_json(stored) == Template(parts=("x", Variable.DATE))
    with pytest.raises(InvalidInputError, match="stored"):
        template_from_json(stored | change)


def test_dates_are_those_of_the_given_zone() -> None:
    values = Values(channel_title="", channel_username=None, at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert fill("{date} {time}", values) == "02.01.2026 03:04"
