import pytest

from vestnik.content import (
    EntityType,
    FormattedText,
    MarkupError,
    MessageEntity,
    Variable,
    parse_markdown,
    render,
)


def read(source: str) -> FormattedText:
    return render(parse_markdown(source))


def entity(kind: EntityType, offset: int, length: int, **extra: object) -> MessageEntity:
    return MessageEntity(type=kind, offset=offset, length=length, **extra)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("*x*", entity(EntityType.BOLD, 0, 1)),
        ("_x_", entity(EntityType.ITALIC, 0, 1)),
        ("__x__", entity(EntityType.UNDERLINE, 0, 1)),
        ("~x~", entity(EntityType.STRIKETHROUGH, 0, 1)),
        ("||x||", entity(EntityType.SPOILER, 0, 1)),
        ("`x`", entity(EntityType.CODE, 0, 1)),
        ("```x```", entity(EntityType.PRE, 0, 1)),
        ("```\nx\n```", entity(EntityType.PRE, 0, 1)),
        ("```c++\nx\n```", entity(EntityType.PRE, 0, 1, language="c++")),
        (">x", entity(EntityType.BLOCKQUOTE, 0, 1)),
        ("**>x", entity(EntityType.BLOCKQUOTE, 0, 1)),
        (">x||", entity(EntityType.EXPANDABLE_BLOCKQUOTE, 0, 1)),
        ("**>x||", entity(EntityType.EXPANDABLE_BLOCKQUOTE, 0, 1)),
        ("[x](https://x.y/a_(b\\)?q=1)", entity(EntityType.TEXT_LINK, 0, 1, url="https://x.y/a_(b)?q=1")),
        ("[x](tg://user?id=123)", entity(EntityType.TEXT_MENTION, 0, 1, user_id=123)),
        ("![👍](tg://emoji?id=53683241)", entity(EntityType.CUSTOM_EMOJI, 0, 2, custom_emoji_id=53683241)),
    ],
)  # fmt: skip
def test_each_mark_of_telegram(source: str, expected: MessageEntity) -> None:
    assert read(source).entities == (expected,)


def test_the_nested_example_of_the_bot_api() -> None:
    formatted = read(
        "*bold _italic bold ~italic bold strikethrough ||italic bold strikethrough spoiler||~ "
        "__underline italic bold___ bold*"
    )
    assert formatted.text == (
        "bold italic bold italic bold strikethrough italic bold strikethrough spoiler underline italic bold bold"
    )
    covered = {each.type: formatted.text[each.offset : each.end] for each in formatted.entities}
    assert covered == {
        EntityType.BOLD: formatted.text,
        EntityType.ITALIC: formatted.text[5:-5],
        EntityType.STRIKETHROUGH: "italic bold strikethrough italic bold strikethrough spoiler",
        EntityType.SPOILER: "italic bold strikethrough spoiler",
        EntityType.UNDERLINE: "underline italic bold",
    }


def test_the_quotes_example_of_the_bot_api() -> None:
    formatted = read(
        ">Block quotation started\n>Block quotation continued\n>The last line\n"
        "**>The expandable one\n>continued\n>The last line||\nafter"
    )
    assert formatted.text.endswith("\nafter")
    quotes = [(each.type, formatted.text[each.offset : each.end]) for each in formatted.entities]
    assert quotes == [
        (EntityType.BLOCKQUOTE, "Block quotation started\nBlock quotation continued\nThe last line"),
        (EntityType.EXPANDABLE_BLOCKQUOTE, "The expandable one\ncontinued\nThe last line"),
    ]


def test_a_spoiler_at_the_end_of_an_expandable_quote() -> None:
    assert [each.type for each in read(">a ||b||||\nc").entities] == [
        EntityType.EXPANDABLE_BLOCKQUOTE,
        EntityType.SPOILER,
    ]
    assert [each.type for each in read(">a ||b||\n>c").entities] == [
        EntityType.BLOCKQUOTE,
        EntityType.SPOILER,
    ]


def test_bars_at_the_end_of_a_line_within_a_quote_begin_a_spoiler() -> None:
    formatted = read(">a||\n>b||")
    assert formatted == FormattedText(
        text="a\nb", entities=(entity(EntityType.BLOCKQUOTE, 0, 3), entity(EntityType.SPOILER, 2, 1))
    )


def test_an_empty_bold_parts_italic_from_underline() -> None:
    assert [(each.type, each.length) for each in read("___x_**__").entities] == [
        (EntityType.ITALIC, 1),
        (EntityType.UNDERLINE, 1),
    ]


def test_characters_that_begin_nothing_need_no_escape() -> None:
    text = "1. a-b (c) = d + e! #tag a > b | c ] ^ \\я"
    assert read(text) == FormattedText(text=text)


def test_escaped_characters_are_text() -> None:
    reserved = "_*[]()~`>#+-=|{}.!\\"
    assert read("".join("\\" + each for each in reserved)) == FormattedText(text=reserved)
    assert read("`a\\`\\\\b`").text == "a`\\b"


def test_code_is_text_but_for_variables() -> None:
    assert read("`*a* _b_ [c] ||d||`") == FormattedText(
        text="*a* _b_ [c] ||d||", entities=(entity(EntityType.CODE, 0, 17),)
    )
    assert read("```py\na\n>b ` c\n```").text == "a\n>b ` c"
    assert parse_markdown("`{date}{{}}`").parts == (Variable.DATE, "{}")


def test_variables_keep_their_underscores() -> None:
    template = parse_markdown("_{channel_title}_ [x](https://t.me/{channel_username})")
    assert template.variables == {Variable.CHANNEL_TITLE, Variable.CHANNEL_USERNAME}
    assert [each.type for each in template.entities] == [EntityType.ITALIC, EntityType.TEXT_LINK]


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("**bold**", 1, 1, "bold is written with single stars"),
        ("a **bold**", 1, 3, "bold is written with single stars"),
        ("a ~~x~~", 1, 3, "nothing between ~ and ~"),
        ("____", 1, 1, "nothing between __ and __"),
        ("|||| x", 1, 1, "nothing between || and ||"),
        ("``", 1, 1, "no code"),
        ("a\nsnake_case", 2, 6, "write \\_ for the character itself"),
        ("2 * 3", 1, 3, "write \\* for the character itself"),
        ("a `b", 1, 3, "write \\` for the character itself"),
        ("a ```b c```", 1, 6, "the language of the code"),
        ("```{x}\na```", 1, 4, "the language of the code"),
        ("*a _b* c_", 1, 4, "_ opens formatting that is not closed"),
        ("[a *b](https://x.y)*", 1, 4, "* opens formatting that is not closed"),
        ("> *a\nb*", 1, 3, "* opens formatting that is not closed"),
        ("*a\n>b*", 2, 3, "before a quote"),
        (">> a", 1, 1, "cannot be nested"),
        ("# Title", 1, 1, "no headings"),
        ("[a]", 1, 1, "needs an address"),
        ("[a](https://x.y", 1, 1, "no ) at its end"),
        ("[a](example.org)", 1, 5, "must begin with https://"),
        ("[a](javascript:x)", 1, 5, "not allowed"),
        ("[](https://x.y)", 1, 1, "no text that can be seen"),
        ("![a](https://x.y)", 1, 6, "a custom emoji is written"),
        ("![a](tg://time?unix=1)", 1, 6, "a custom emoji is written"),
        ("*`a`*", 1, 2, "` cannot stand within *"),
        ("[a [b](https://x.y)](https://x.z)", 1, 4, "[ cannot stand within ["),
        ("[a\n>b](https://x.z)", 2, 1, "> cannot stand within ["),
        ("{nothing}", 1, 1, "there is no variable {nothing}"),
        ("a }", 1, 3, "single }"),
        ("||a", 1, 1, "write \\|\\| for the character itself"),
    ],
)
def test_what_would_be_lost_is_refused_with_its_place(
    source: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(MarkupError) as caught:
        parse_markdown(source)
    assert words in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.field == "content"
