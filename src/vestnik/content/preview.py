"""What readers will see, as HTML for the console."""

from html import escape
from typing import Final

from vestnik.content.entities import EntityType, FormattedText, MessageEntity
from vestnik.content.nesting import walk_nested
from vestnik.content.urls import find_url_problem

_PLAIN: Final = {
    EntityType.BOLD: ("<b>", "</b>"),
    EntityType.ITALIC: ("<i>", "</i>"),
    EntityType.UNDERLINE: ("<u>", "</u>"),
    EntityType.STRIKETHROUGH: ("<s>", "</s>"),
    EntityType.SPOILER: ('<span class="tg-spoiler">', "</span>"),
    EntityType.CODE: ("<code>", "</code>"),
    EntityType.BLOCKQUOTE: ("<blockquote>", "</blockquote>"),
    EntityType.EXPANDABLE_BLOCKQUOTE: ('<blockquote class="tg-expandable">', "</blockquote>"),
    EntityType.TEXT_MENTION: ('<span class="tg-mention">', "</span>"),
    EntityType.CUSTOM_EMOJI: ('<span class="tg-emoji">', "</span>"),
}


def render_preview_html(formatted: FormattedText) -> str:
    """HTML that is safe to put into a page: text and attributes escaped, our own tags only, in a fixed nesting.

    Line ends stay line ends: show it with `white-space: pre-wrap`.
    """
    pieces: list[str] = []
    for step in walk_nested(formatted):
        pieces.extend(_tags(entity)[1] for entity in step.closed)
        pieces.extend(_tags(entity)[0] for entity in step.opened)
        pieces.append(escape(step.text))
    return "".join(pieces)


def _tags(entity: MessageEntity) -> tuple[str, str]:
    if entity.type is EntityType.PRE:
        if entity.language is None:
            return "<pre>", "</pre>"
        return f'<pre><code class="language-{escape(entity.language)}">', "</code></pre>"
    if entity.type is EntityType.TEXT_LINK:
        url = entity.url or ""
        if find_url_problem(url) is not None:
            return "<a>", "</a>"
        return f'<a href="{escape(url)}" rel="nofollow noopener noreferrer" target="_blank">', "</a>"
    return _PLAIN[entity.type]
