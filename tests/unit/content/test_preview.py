from html.parser import HTMLParser

from hypothesis import given

from tests.unit.content.strategies import formatted_texts
from vestnik.content import EntityType, FormattedText, MessageEntity, parse_html, render, render_preview_html

ALLOWED = {"b", "i", "u", "s", "span", "a", "code", "pre", "blockquote"}


class Reader(HTMLParser):
    """A browser's view: text, and that tags are ours and well nested."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert {name for name, _ in attrs} <= {"class", "href", "rel", "target"}
        assert all((value or "").partition(":")[0] in {"https", "http", "tg", "mailto", "tel"}
                   for name, value in attrs if name == "href")  # fmt: skip
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@given(formatted_texts())
def test_a_browser_sees_the_text_in_well_nested_tags_of_ours(formatted: FormattedText) -> None:
    reader = Reader()
    reader.feed(render_preview_html(formatted))
    reader.close()
    assert reader.stack == []
    assert reader.text == formatted.text


def test_text_and_attributes_are_escaped() -> None:
    formatted = render(parse_html('&lt;script&gt; <a href="https://x.y/&quot;&gt;&lt;i&gt;">&amp;</a>'))
    assert render_preview_html(formatted) == (
        '&lt;script&gt; <a href="https://x.y/&quot;&gt;&lt;i&gt;" rel="nofollow noopener noreferrer" '
        'target="_blank">&amp;</a>'
    )


def test_overlapping_styles_are_nested_the_same_way_every_time() -> None:
    bold = MessageEntity(type=EntityType.BOLD, offset=0, length=2)
    italic = MessageEntity(type=EntityType.ITALIC, offset=1, length=2)
    for entities in ((bold, italic), (italic, bold)):
        shown = render_preview_html(FormattedText(text="abc", entities=entities))
        assert shown == "<b>a<i>b</i></b><i>c</i>"


def test_links_are_never_split_by_styles() -> None:
    link = MessageEntity(type=EntityType.TEXT_LINK, offset=1, length=2, url="https://x.y")
    bold = MessageEntity(type=EntityType.BOLD, offset=0, length=2)
    shown = render_preview_html(FormattedText(text="abc", entities=(bold, link)))
    assert shown.count("<a ") == 1
    assert shown.startswith("<b>a</b><a ")
    assert shown.endswith("><b>b</b>c</a>")


def test_an_address_that_no_parser_gave_is_not_linked() -> None:
    link = MessageEntity(type=EntityType.TEXT_LINK, offset=0, length=1, url="javascript:alert(1)")
    assert render_preview_html(FormattedText(text="a", entities=(link,))) == "<a>a</a>"


def test_formatting_beyond_the_text_is_left_out() -> None:
    stray = MessageEntity(type=EntityType.BOLD, offset=1, length=5)
    assert render_preview_html(FormattedText(text="ab", entities=(stray,))) == "ab"
    assert render_preview_html(FormattedText(text="")) == ""
