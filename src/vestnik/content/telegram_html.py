"""Telegram's HTML (core.telegram.org/bots/api#html-style), read strictly: what it does not have is refused.

Follows TDLib's parse_html, on which the Bot API runs (td/telegram/MessageEntity.cpp), and refuses what that one
drops without a word: unknown attributes, links without a usable address, a language on code outside of pre,
formatting around or within code. A lone `>` and an `&` that begins no reference stand for themselves, as there.
"""

import re
from collections.abc import Mapping
from typing import Final

from vestnik.content.building import Builder, OpenEntity
from vestnik.content.entities import EntityType
from vestnik.content.source import Source, is_forbidden, quote_source
from vestnik.content.templates import Template
from vestnik.content.urls import read_id
from vestnik.content.variables import Variable, escape_braces, read_brace

_TAGS: Final[Mapping[str, EntityType]] = {
    "b": EntityType.BOLD,
    "strong": EntityType.BOLD,
    "i": EntityType.ITALIC,
    "em": EntityType.ITALIC,
    "u": EntityType.UNDERLINE,
    "ins": EntityType.UNDERLINE,
    "s": EntityType.STRIKETHROUGH,
    "strike": EntityType.STRIKETHROUGH,
    "del": EntityType.STRIKETHROUGH,
    "span": EntityType.SPOILER,
    "tg-spoiler": EntityType.SPOILER,
    "a": EntityType.TEXT_LINK,
    "tg-emoji": EntityType.CUSTOM_EMOJI,
    "code": EntityType.CODE,
    "pre": EntityType.PRE,
    "blockquote": EntityType.BLOCKQUOTE,
}
_ATTRIBUTES: Final[Mapping[str, str]] = {
    "a": "href", "span": "class", "code": "class", "tg-emoji": "emoji-id", "blockquote": "expandable",
}  # fmt: skip
_CURES: Final[Mapping[str, str]] = {
    "br": "write a line break instead",
    "p": "write an empty line between paragraphs instead",
    "div": "write a line break instead",
    "h1": "use <b> on a line of its own",
    "h2": "use <b> on a line of its own",
    "h3": "use <b> on a line of its own",
    "hr": "write a line of dashes instead",
    "img": "give the picture as the template's media",
    "li": "begin the line with • instead",
    "ol": "number the lines yourself",
    "ul": "begin the lines with • instead",
    "mark": "use <b> or <u> instead",
    "tg-time": "write the date as text, or use {date} and {time}",
}
_REFERENCES: Final[Mapping[str, str]] = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+#.-]{1,40}")

_TEXT: Final = re.compile(r"[^<&{}]+")
_ADDRESS_TEXT: Final = re.compile(r"[^&{}]+")
_OPENING: Final = re.compile(r"<([A-Za-z][A-Za-z0-9-]*)")
_CLOSING: Final = re.compile(r"</([A-Za-z][A-Za-z0-9-]*)\s*+>")
_ATTRIBUTE: Final = re.compile(
    r"""\s++([A-Za-z_:][-A-Za-z0-9_:.]*)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'<>=`{}&]+)))?"""
)
_TAG_END: Final = re.compile(r"\s*+(/?)>")
_NAMED: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_NUMERIC: Final = re.compile(r"&#(?:[xX]([0-9A-Fa-f]{1,6})|([0-9]{1,7}));")
_UNENDED: Final = re.compile(r"&(lt|gt|amp|quot)(?![A-Za-z])")


def parse_html(source: str, *, field: str = "content") -> Template:
    """Read Telegram's HTML. Raises MarkupError with line, column and cure; InvalidInputError for a huge source."""
    return _Parser(Source(source, field=field)).parse()


class _Parser:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.builder = Builder(source=source)

    def parse(self) -> Template:
        source, builder = self.source, self.builder
        while not source.is_at_end:
            text = source.take(_TEXT)
            if text is not None:
                builder.add(text[0])
            elif source.current == "&":
                builder.add(self._read_reference())
            elif source.current == "<":
                self._read_tag()
            else:
                builder.read_brace()
        if builder.top is not None:
            mark, at = builder.top.mark, builder.top.at
            raise source.error(f"{mark} is never closed; add </{_name_of(mark)}> where it ends", at=at)
        return builder.finish()

    def _read_tag(self) -> None:
        source = self.source
        if source.startswith("</"):
            self._read_closing()
            return
        start = source.position
        opening = source.take(_OPENING)
        if opening is None:
            raise source.error("a < that begins no tag; write &lt; for the character itself")
        name = opening[1].lower()
        if name not in _TAGS:
            cure = _CURES.get(name, "take it out, or write &lt; for the character < itself")
            raise source.error(f"<{name}> is none of Telegram's tags; {cure}", at=start)
        attribute = self._read_attributes(name, start)
        self._open(name, attribute, start)

    def _read_attributes(self, name: str, start: int) -> re.Match[str] | None:
        """The one attribute that a tag may have."""
        source = self.source
        found: re.Match[str] | None = None
        while (match := source.take(_ATTRIBUTE)) is not None:
            attribute = match[1].lower()
            if attribute != _ATTRIBUTES.get(name):
                raise source.error(
                    f"<{name}> has no attribute {quote_source(attribute)} on Telegram; take it out",
                    at=match.start(1),
                )
            if found is not None:
                raise source.error(f"<{name}> has two attributes {attribute}; leave one", at=match.start(1))
            found = match
        end = source.take(_TAG_END)
        if end is None:
            raise source.error(
                f"the tag <{name} is not finished; write its > (and quotes around values)", at=start
            )
        if end[1]:
            raise source.error(
                f"<{name}/> closes itself, which Telegram does not know; write </{name}>", at=start
            )
        return found

    def _open(self, name: str, attribute: re.Match[str] | None, start: int) -> None:
        kind = _TAGS[name]
        entity = OpenEntity(type=kind, mark=f"<{name}>", at=start)
        match kind:
            case EntityType.SPOILER if name == "span":
                self._check_spoiler(attribute, start)
            case EntityType.TEXT_LINK:
                self._read_link(entity, attribute)
            case EntityType.CUSTOM_EMOJI:
                self._read_emoji(entity, attribute)
            case EntityType.BLOCKQUOTE if attribute is not None:
                if _value(attribute):
                    raise self.source.error(
                        "expandable takes no value; write <blockquote expandable>", at=start
                    )
                entity.type = EntityType.EXPANDABLE_BLOCKQUOTE
            case EntityType.CODE:
                self._read_language(entity, attribute)
        self.builder.open(entity)

    def _check_spoiler(self, attribute: re.Match[str] | None, start: int) -> None:
        if attribute is None or _value(attribute) != "tg-spoiler":
            raise self.source.error(
                '<span> is known for spoilers only; write <span class="tg-spoiler"> or <tg-spoiler>', at=start
            )

    def _read_link(self, entity: OpenEntity, attribute: re.Match[str] | None) -> None:
        if attribute is None:
            raise self.source.error('<a> has no address; write <a href="https://…">', at=entity.at)
        self.builder.point(entity, self._read_address(attribute), at=attribute.start(1))

    def _read_emoji(self, entity: OpenEntity, attribute: re.Match[str] | None) -> None:
        number = None if attribute is None else read_id(_value(attribute))
        if number is None:
            raise self.source.error(
                'a custom emoji needs its number; write <tg-emoji emoji-id="5368324170671202286">',
                at=entity.at,
            )
        entity.custom_emoji_id = number

    def _read_language(self, entity: OpenEntity, attribute: re.Match[str] | None) -> None:
        """`<pre><code class="language-x">` names a language, and the code has no effect of its own."""
        pre = self.builder.top
        is_in_pre = pre is not None and pre.type is EntityType.PRE and pre.start == self.builder.units
        if is_in_pre:
            entity.type = None
        if attribute is None:
            return
        value = _value(attribute)
        language = value.removeprefix("language-")
        if language == value or not _LANGUAGE.fullmatch(language):
            raise self.source.error(
                'the class of <code> names a language, as in class="language-python"', at=entity.at
            )
        if not is_in_pre or pre is None:
            raise self.source.error(
                f'a language needs <pre> right around it: <pre><code class="{value}">…</code></pre>',
                at=entity.at,
            )
        pre.language = language

    def _read_closing(self) -> None:
        source, builder = self.source, self.builder
        start = source.position
        closing = source.take(_CLOSING)
        if closing is None:
            raise source.error("a closing tag that is not finished; it looks like </b>", at=start)
        name = closing[1].lower()
        top = builder.top
        if top is None:
            raise source.error(f"</{name}> closes nothing; take it out", at=start)
        if top.mark != f"<{name}>":
            line, column = source.locate(top.at)
            raise source.error(
                f"</{name}> comes while {top.mark} of line {line}, column {column} is open; close that first",
                at=start,
            )
        builder.close()
        if top.type is None and not source.startswith("</pre"):
            raise source.error(
                "text between </code> and </pre> would be code without its language; put </pre> right after </code>"
            )

    def _read_address(self, attribute: re.Match[str]) -> str:
        """The address of a link with variables as `{name}` and braces of its own doubled."""
        source = self.source
        group = next((number for number in (2, 3, 4) if attribute[number] is not None), None)
        if group is None:
            return ""
        resume, end = source.position, attribute.end(group)
        source.position = attribute.start(group)
        pieces: list[str] = []
        while source.position < end:
            text = _ADDRESS_TEXT.match(source.text, source.position, end)
            if text is not None:
                source.position = text.end()
                pieces.append(text[0])
            elif source.current == "&":
                pieces.append(escape_braces(self._read_reference()))
            else:
                part = read_brace(source)
                pieces.append(f"{{{part}}}" if isinstance(part, Variable) else part * 2)
        source.position = resume
        return "".join(pieces)

    def _read_reference(self) -> str:
        """The character that a reference such as `&lt;` stands for, or the & itself where none begins.

        Telegram knows four by name and all numeric ones (core.telegram.org/bots/api#html-style).
        """
        source = self.source
        start = source.position
        named = source.take(_NAMED)
        if named is not None:
            if named[1] not in _REFERENCES:
                raise source.error(
                    f"Telegram does not know {quote_source(named[0])}; write the character itself "
                    "(known are &lt; &gt; &amp; &quot; and numbers like &#8212;)",
                    at=start,
                )
            return _REFERENCES[named[1]]
        if source.startswith("&#"):
            return self._read_numeric(start)
        if (unended := _UNENDED.match(source.text, start)) is not None:
            raise source.error(
                f"{unended[0]} lacks its semicolon; write {unended[0]}; or &amp;{unended[1]}", at=start
            )
        source.position += 1
        return "&"

    def _read_numeric(self, start: int) -> str:
        source = self.source
        match = source.take(_NUMERIC)
        if match is None:
            raise source.error(
                "a numeric reference looks like &#8212; or &#x2014;; write &amp; for the & itself"
            )
        number = int(match[1], 16) if match[1] else int(match[2])
        if not 0 < number <= 0x10FFFF or is_forbidden(chr(number)):
            raise source.error(f"{match[0]} is no character that can be posted; take it out", at=start)
        return chr(number)


def _value(attribute: re.Match[str]) -> str:
    return attribute[2] or attribute[3] or attribute[4] or ""


def _name_of(mark: str) -> str:
    return mark.strip("<>")
