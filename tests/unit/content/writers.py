"""The way back, from formatted text to markup, so that parsers can be asked for what they were given."""

from html import escape

from vestnik.content import EntityType, FormattedText, MessageEntity
from vestnik.content.entities import LITERALS, QUOTES
from vestnik.content.nesting import walk_nested

HTML_NAMES = {
    EntityType.BOLD: "b",
    EntityType.ITALIC: "em",
    EntityType.UNDERLINE: "ins",
    EntityType.STRIKETHROUGH: "del",
    EntityType.SPOILER: "tg-spoiler",
    EntityType.CODE: "code",
    EntityType.BLOCKQUOTE: "blockquote",
}
MARKS = {
    EntityType.BOLD: "*",
    EntityType.ITALIC: "_",
    EntityType.UNDERLINE: "__",
    EntityType.STRIKETHROUGH: "~",
    EntityType.SPOILER: "||",
    EntityType.CODE: "`",
    EntityType.PRE: "```",
}
RESERVED = "_*[]()~`>#+-=|{}.!\\"


def url_of(entity: MessageEntity) -> str:
    return entity.url or f"tg://user?id={entity.user_id}"


def write_html(formatted: FormattedText) -> str:
    pieces = []
    for step in walk_nested(formatted):
        pieces += [_html_tags(entity)[1] for entity in step.closed]
        pieces += [_html_tags(entity)[0] for entity in step.opened]
        pieces.append(_double(escape(step.text, quote=False)))
    return "".join(pieces)


def _html_tags(entity: MessageEntity) -> tuple[str, str]:
    match entity.type:
        case EntityType.PRE if entity.language:
            return f'<pre><code class="language-{entity.language}">', "</code></pre>"
        case EntityType.PRE:
            return "<pre>", "</pre>"
        case EntityType.TEXT_LINK | EntityType.TEXT_MENTION:
            return f'<a href="{_double(escape(url_of(entity)))}">', "</a>"
        case EntityType.CUSTOM_EMOJI:
            return f'<tg-emoji emoji-id="{entity.custom_emoji_id}">', "</tg-emoji>"
        case EntityType.EXPANDABLE_BLOCKQUOTE:
            return "<blockquote expandable>", "</blockquote>"
    name = HTML_NAMES[entity.type]
    return f"<{name}>", f"</{name}>"


def _double(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def write_markdown(formatted: FormattedText) -> str:
    """Quotes must begin and end with their lines, and no style may reach over a quote's end."""
    pieces: list[str] = []
    is_quoted = is_code = False

    def add(piece: str) -> None:
        if piece.startswith("_") and pieces and pieces[-1].endswith("_"):
            pieces.append("**")
        pieces.append(piece)

    for step in walk_nested(formatted):
        for entity in step.closed:
            add(_close_mark(entity))
            is_quoted = is_quoted and entity.type not in QUOTES
            is_code = is_code and entity.type not in LITERALS
        for entity in step.opened:
            add(_open_mark(entity, after_line=bool(pieces)))
            is_quoted = is_quoted or entity.type in QUOTES
            is_code = is_code or entity.type in LITERALS
        text = _escape(step.text, "`\\{}" if is_code else RESERVED)
        if text:
            pieces.append(text.replace("\n", "\n>") if is_quoted and not is_code else text)
    return "".join(pieces)


def _open_mark(entity: MessageEntity, *, after_line: bool) -> str:
    match entity.type:
        case EntityType.PRE:
            return f"```{entity.language or ''}\n"
        case EntityType.TEXT_LINK | EntityType.TEXT_MENTION:
            return "["
        case EntityType.CUSTOM_EMOJI:
            return "!["
        case EntityType.BLOCKQUOTE | EntityType.EXPANDABLE_BLOCKQUOTE:
            return "**>" if after_line else ">"
    return MARKS[entity.type]


def _close_mark(entity: MessageEntity) -> str:
    match entity.type:
        case EntityType.TEXT_LINK | EntityType.TEXT_MENTION:
            return f"]({_escape(url_of(entity), ')' + chr(92) + '{}')})"
        case EntityType.CUSTOM_EMOJI:
            return f"](tg://emoji?id={entity.custom_emoji_id})"
        case EntityType.BLOCKQUOTE:
            return ""
        case EntityType.EXPANDABLE_BLOCKQUOTE:
            return "||"
    return MARKS[entity.type]


def _escape(text: str, reserved: str) -> str:
    return "".join("\\" + character if character in reserved else character for character in text)
