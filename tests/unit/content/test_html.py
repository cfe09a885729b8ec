import pytest

from vestnik.content import (
    EntityType,
    FormattedText,
    MarkupError,
    MessageEntity,
    Variable,
    parse_html,
    render,
)


def read(source: str) -> FormattedText:
    return render(parse_html(source))


def entity(kind: EntityType, offset: int, length: int, **extra: object) -> MessageEntity:
    return MessageEntity(type=kind, offset=offset, length=length, **extra)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<b>x</b>", entity(EntityType.BOLD, 0, 1)),
        ("<strong>x</strong>", entity(EntityType.BOLD, 0, 1)),
        ("<i>x</i>", entity(EntityType.ITALIC, 0, 1)),
        ("<EM>x</em >", entity(EntityType.ITALIC, 0, 1)),
        ("<u>x</u>", entity(EntityType.UNDERLINE, 0, 1)),
        ("<ins>x</ins>", entity(EntityType.UNDERLINE, 0, 1)),
        ("<s>x</s>", entity(EntityType.STRIKETHROUGH, 0, 1)),
        ("<strike>x</strike>", entity(EntityType.STRIKETHROUGH, 0, 1)),
        ("<del>x</del>", entity(EntityType.STRIKETHROUGH, 0, 1)),
        ('<span class="tg-spoiler">x</span>', entity(EntityType.SPOILER, 0, 1)),
        ("<tg-spoiler>x</tg-spoiler>", entity(EntityType.SPOILER, 0, 1)),
        ("<code>x</code>", entity(EntityType.CODE, 0, 1)),
        ("<pre>x</pre>", entity(EntityType.PRE, 0, 1)),
        ("<pre><code>x</code></pre>", entity(EntityType.PRE, 0, 1)),
        ("<pre><code class='language-c++'>x</code></pre>", entity(EntityType.PRE, 0, 1, language="c++")),
        ("<blockquote>x</blockquote>", entity(EntityType.BLOCKQUOTE, 0, 1)),
        ("<blockquote expandable>x</blockquote>", entity(EntityType.EXPANDABLE_BLOCKQUOTE, 0, 1)),
        (
            '<a href="https://example.org/?a=1&b=2&amp;lt=3">x</a>',
            entity(EntityType.TEXT_LINK, 0, 1, url="https://example.org/?a=1&b=2&lt=3"),
        ),
        ('<a href="tg://user?id=123">x</a>', entity(EntityType.TEXT_MENTION, 0, 1, user_id=123)),
        (
            '<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>',
            entity(EntityType.CUSTOM_EMOJI, 0, 2, custom_emoji_id=5368324170671202286),
        ),
    ],
)
def test_each_tag_of_telegram(source: str, expected: MessageEntity) -> None:
    assert read(source).entities == (expected,)


def test_offsets_count_utf16_units() -> None:
    formatted = read("😀é <b>😀</b>\u0301<i>я</i>")
    assert formatted.text == "😀é 😀\u0301я"
    assert formatted.entities == (entity(EntityType.BOLD, 4, 2), entity(EntityType.ITALIC, 7, 1))


def test_nested_tags_give_entities_outer_ones_first() -> None:
    formatted = read('<blockquote><b>a<i>b</i></b> <a href="https://t.me/x"><u>c</u></a></blockquote>')
    assert formatted.text == "ab c"
    assert formatted.entities == (
        entity(EntityType.BLOCKQUOTE, 0, 4),
        entity(EntityType.BOLD, 0, 2),
        entity(EntityType.ITALIC, 1, 1),
        entity(EntityType.TEXT_LINK, 3, 1, url="https://t.me/x"),
        entity(EntityType.UNDERLINE, 3, 1),
    )


def test_references_are_characters_and_never_markup_or_variables() -> None:
    formatted = read("&lt;b&gt; &amp;amp; &quot;&#8212;&#x1F600; &#123;date&#125; AT&T & > &x")
    assert formatted == FormattedText(text='<b> &amp; "—😀 {date} AT&T & > &x')


def test_braces_of_an_address_are_not_variables_when_they_are_written_as_references() -> None:
    formatted = read('<a href="https://x.y/&#123;date&#125;{{">z</a>')
    assert formatted.entities[0].url == "https://x.y/{date}{"


def test_styles_that_touch_or_nest_in_their_like_are_one() -> None:
    assert read("<b>a</b><b>b</b><strong>c<b>d</b></strong>").entities == (entity(EntityType.BOLD, 0, 4),)
    assert len(read("<blockquote>a</blockquote><blockquote>b</blockquote>").entities) == 2


def test_line_ends_tabs_and_direction_marks_are_as_telegram_keeps_them() -> None:
    assert read("a\r\nb\rc\td\u202ee\u2028f") == FormattedText(text="a\nb\nc de\nf")


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("a\n<br>b", 2, 1, "<br> is none of Telegram's tags; write a line break instead"),
        ("<h1>x</h1>", 1, 1, "use <b>"),
        ("<font>x</font>", 1, 1, "<font> is none of Telegram's tags"),
        ("<!-- x -->", 1, 1, "write &lt; for the character itself"),
        ("1 < 2", 1, 3, "write &lt;"),
        ("x <", 1, 3, "write &lt;"),
        ('<b class="x">x</b>', 1, 4, "<b> has no attribute class"),
        ('<a href="https://x.y" target="_blank">x</a>', 1, 23, "<a> has no attribute target"),
        ('<a href="https://x.y" href="https://x.y">x</a>', 1, 23, "two attributes href"),
        ("<b/>", 1, 1, "closes itself"),
        ("<b", 1, 1, "not finished"),
        ('<a href="https://x.y>x</a>', 1, 1, "not finished"),
        ("\n a <b>x", 2, 4, "<b> is never closed; add </b>"),
        ("x</b>", 1, 2, "closes nothing"),
        ("<b>x</b", 1, 5, "not finished"),
        ("<b><i>x</b></i>", 1, 8, "</b> comes while <i> of line 1, column 4 is open"),
        ("<b>x</strong>", 1, 5, "comes while <b>"),
        ("<a>x</a>", 1, 1, "has no address"),
        ('<a href="">x</a>', 1, 4, "no address"),
        ('<a href="example.org">x</a>', 1, 4, "must begin with https://"),
        ('<a href="javascript:alert(1)">x</a>', 1, 4, "links with javascript: are not allowed"),
        ('<a href="https://a b.org">x</a>', 1, 4, "%20"),
        ('<a href="https://">x</a>', 1, 4, "needs a host"),
        ('<a href="https://user@example.org/">x</a>', 1, 4, "needs a host"),
        ('<a href="https://{channel_username}.org/">x</a>', 1, 4, "without variables"),
        ('<a href="tg:x">x</a>', 1, 4, "none of Telegram's"),
        ('<a href="mailto:">x</a>', 1, 4, "nothing comes after mailto:"),
        ('<a href="https://x.y"> </a>', 1, 1, "no text that can be seen"),
        ("<span>x</span>", 1, 1, "spoilers only"),
        ('<span class="big">x</span>', 1, 1, "spoilers only"),
        ("<tg-emoji>x</tg-emoji>", 1, 1, "needs its number"),
        ('<tg-emoji emoji-id="x1">x</tg-emoji>', 1, 1, "needs its number"),
        ('<tg-emoji emoji-id="9999999999999999999">x</tg-emoji>', 1, 1, "needs its number"),
        ('<tg-emoji emoji-id="1">{date}</tg-emoji>', 1, 24, "not for a variable"),
        ('<tg-time unix="1">x</tg-time>', 1, 1, "<tg-time> is none"),
        ('<blockquote expandable="yes">x</blockquote>', 1, 1, "takes no value"),
        ('<code class="language-c">x</code>', 1, 1, "needs <pre> right around it"),
        ('<pre><code class="c">x</code></pre>', 1, 6, "names a language"),
        ('<pre><code class="language-c">x</code>y</pre>', 1, 39, "put </pre> right after </code>"),
        ("<b><code>x</code></b>", 1, 4, "<code> cannot stand within <b>"),
        ("<pre><b>x</b></pre>", 1, 6, "<b> cannot stand within <pre>"),
        ("<code><a href='https://x.y'>x</a></code>", 1, 7, "<a> cannot stand within <code>"),
        ("<a href='https://x.y'><a href='https://x.z'>x</a></a>", 1, 23, "<a> cannot stand within <a>"),
        ("<blockquote>x<blockquote expandable>y</blockquote></blockquote>", 1, 14, "cannot stand within"),
        ("<a href='tg://user?id=1'><code>x</code></a>", 1, 26, "<code> cannot stand within <a>"),
        ("a&nbsp;b", 1, 2, "Telegram does not know &nbsp;"),
        ("a &lt b", 1, 3, "lacks its semicolon"),
        ("a&#xD800;", 1, 2, "no character that can be posted"),
        ("a&#0;", 1, 2, "no character that can be posted"),
        ("a&#1114112;", 1, 2, "no character that can be posted"),
        ("a&#;", 1, 2, "numeric reference"),
        ("a\x07", 1, 2, "U+0007"),
        ("a\0", 1, 2, "U+0000"),
        ("caf\udce9", 1, 4, "not valid UTF-8"),
        ("{channel_titel}", 1, 1, "there is no variable {channel_titel}; the variables are {channel_title}"),
        ("a { b", 1, 3, "single {"),
        ("a } b", 1, 3, "single }"),
    ],
)
def test_what_would_be_lost_is_refused_with_its_place(
    source: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(MarkupError) as caught:
        parse_html(source, field="caption")
    assert words in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.message.startswith(f"line {line}, column {column}: ")
    assert caught.value.field == "caption"


def test_variables_stand_between_texts() -> None:
    template = parse_html("{{{date}}} <b>{channel_title}</b>")
    assert template.parts == ("{", Variable.DATE, "} ", Variable.CHANNEL_TITLE)
    assert template.entities == (entity(EntityType.BOLD, 4, 1),)
