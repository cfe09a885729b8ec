"""Telegram's MarkdownV2 (core.telegram.org/bots/api#markdownv2-style), less strict where nothing can be lost.

    *bold* _italic_ __underline__ ~strike~ ||spoiler|| [text](https://…) ![👍](tg://emoji?id=…) `code`
    ```python            >quote            **>the first line of another quote
    a block of code      >its next line    >its last line; the bars make it expandable||
    ```

The predecessor's documents name no dialect. Of the three in use this is the only one that has all of Telegram's
formatting; the Bot API's legacy Markdown lacks half of it and Telethon's writes `**bold**` and `__italic__`. A
text in Telethon's dialect is not posted with its stars gone: an empty pair of marks is refused, with the cure.

It follows TDLib's parse_markdown_v2 (td/telegram/MessageEntity.cpp), with two differences. Characters that the Bot
API wants escaped although they begin nothing where they stand (`.` `-` `(` `=` and so on) stand for themselves, so
every valid MarkdownV2 means the same here. And what the Bot API would drop or swallow without a word is refused:
links without a usable address, headings, empty marks, code within other formatting, text beside a language.
"""

import re
from collections.abc import Callable
from typing import Final

from vestnik.content.building import Builder, OpenEntity
from vestnik.content.entities import EntityType
from vestnik.content.source import Source, quote_source
from vestnik.content.templates import Template
from vestnik.content.urls import find_emoji_id
from vestnik.content.variables import Variable, escape_braces, read_brace

_TEXT: Final = re.compile(r"[^\\_*~|`\[\]!>{}\n#]+")
_CODE_TEXT: Final = re.compile(r"[^\\`{}]+")
_ADDRESS_TEXT: Final = re.compile(r"[^\\){}\n]+")
_HEADING: Final = re.compile(r"#{1,6} ")
_LANGUAGE: Final = re.compile(r"([^\s`]++)(?=[^`])")
_LANGUAGE_NAME: Final = re.compile(r"[A-Za-z0-9_+#.-]{1,40}")
_SEPARATOR: Final = "**"
_MARKS: Final = {
    EntityType.BOLD: "*",
    EntityType.ITALIC: "_",
    EntityType.UNDERLINE: "__",
    EntityType.STRIKETHROUGH: "~",
    EntityType.SPOILER: "||",
}
_QUOTE: Final = ">"
_LINK: Final = "["
_EMOJI: Final = "!["


def parse_markdown(source: str, *, field: str = "content") -> Template:
    """Read MarkdownV2. Raises MarkupError with line, column and cure; InvalidInputError for a huge source."""
    return _Parser(Source(source, field=field)).parse()


class _Parser:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.builder = Builder(source=source)
        self._line_start = 0
        """Where a > begins a quote: at the beginning of a line, or right after an empty bold there."""
        self._quote: OpenEntity | None = None
        self._readers: dict[str, Callable[[], None]] = {
            "\\": self._read_escape,
            "\n": self._read_line_end,
            ">": self._read_quote,
            "*": self._read_star,
            "_": self._read_underscore,
            "~": lambda: self._toggle(EntityType.STRIKETHROUGH),
            "|": self._read_bar,
            "`": self._read_backtick,
            "[": lambda: self._open(OpenEntity(type=EntityType.TEXT_LINK, mark=_LINK, at=source.position)),
            "]": self._read_bracket,
            "!": self._read_exclamation,
            "#": self._read_hash,
            "{": self.builder.read_brace,
            "}": self.builder.read_brace,
        }

    def parse(self) -> Template:
        source, builder = self.source, self.builder
        while not source.is_at_end:
            text = source.take(_TEXT)
            if text is not None:
                builder.add(text[0])
            else:
                self._readers[source.current]()
        if builder.top is not None and builder.top is self._quote:
            builder.close()
        if builder.top is not None:
            raise self._unclosed(builder.top)
        return builder.finish()

    # What stands for itself

    def _read_escape(self) -> None:
        self.builder.add(self._take_escaped())

    def _take_escaped(self) -> str:
        """Any character of ASCII may be escaped; before others a backslash is one."""
        source = self.source
        following = source.text[source.position + 1 : source.position + 2]
        if following and ord(following) <= 126:
            source.position += 2
            return following
        source.position += 1
        return "\\"

    def _take_character(self) -> None:
        self.builder.add(self.source.current)
        self.source.position += 1

    def _read_hash(self) -> None:
        if self.source.position == self._line_start and _HEADING.match(
            self.source.text, self.source.position
        ):
            raise self.source.error("Telegram has no headings; write *bold*, or \\# for the character itself")
        self._take_character()

    # Quotes

    def _read_line_end(self) -> None:
        source, builder = self.source, self.builder
        if self._quote is not None and not source.startswith(_QUOTE, ahead=1):
            if builder.top is not None and builder.top is not self._quote:
                raise self._unclosed(builder.top)
            builder.close()
            self._quote = None
        self._take_character()
        self._line_start = source.position

    def _read_quote(self) -> None:
        source = self.source
        if source.position != self._line_start:
            self._take_character()
            return
        if source.startswith(_QUOTE, ahead=1):
            raise source.error("quotes cannot be nested; write \\> for a second > that is text")
        if self._quote is None:
            self._quote = OpenEntity(type=EntityType.BLOCKQUOTE, mark=_QUOTE, at=source.position)
            self.builder.open(self._quote)
        source.position += 1

    def _ends_expandable_quote(self) -> bool:
        """Whether the bars here are the last thing in a quote."""
        source = self.source
        if self._quote is None or self.builder.top is not self._quote:
            return False
        rest = source.text[source.position + 2 : source.position + 4]
        return not rest or (rest[0] == "\n" and rest[1:] != _QUOTE)

    # Pairs of marks

    def _read_star(self) -> None:
        source, top = self.source, self.builder.top
        if (top is None or top.type is not EntityType.BOLD) and source.startswith(_SEPARATOR):
            self._read_separator()
        else:
            self._toggle(EntityType.BOLD)

    def _read_separator(self) -> None:
        """An empty bold, which the Bot API's documentation gives for two uses."""
        source = self.source
        start = source.position
        begins_quote = start == self._line_start and source.startswith(_QUOTE, ahead=2)
        parts_underscores = source.text[max(start - 1, 0) : start] == "_" and source.startswith("_", ahead=2)
        if not begins_quote and not parts_underscores:
            raise source.error(
                "bold is written with single stars, *like this*; for the character itself write \\*"
            )
        source.position += 2
        if begins_quote:
            self._line_start = source.position

    def _read_underscore(self) -> None:
        self._toggle(EntityType.UNDERLINE if self.source.startswith("__") else EntityType.ITALIC)

    def _read_bar(self) -> None:
        source = self.source
        if not source.startswith("||"):
            self._take_character()
        elif self._quote is not None and self._ends_expandable_quote():
            self._quote.type = EntityType.EXPANDABLE_BLOCKQUOTE
            source.position += 2
        else:
            self._toggle(EntityType.SPOILER)

    def _toggle(self, kind: EntityType) -> None:
        source, builder = self.source, self.builder
        mark = _MARKS[kind]
        top = builder.top
        if top is not None and top.type is kind:
            if builder.units == top.start:
                raise source.error(
                    f"there is nothing between {mark} and {mark}; {kind} is written {mark}like this{mark}, "
                    f"and {_escape(mark)} is the character itself",
                    at=top.at,
                )
            builder.close()
            source.position += len(mark)
            return
        if top is not None and any(entity.type is kind for entity in builder.stack):
            raise self._unclosed(top)
        self._open(OpenEntity(type=kind, mark=mark, at=source.position))

    def _open(self, entity: OpenEntity) -> None:
        self.builder.open(entity)
        self.source.position += len(entity.mark)

    def _unclosed(self, entity: OpenEntity) -> Exception:
        if entity is self._quote:
            return self.source.error(
                "what was opened before a quote cannot end within it; close it before the quote or after its last line"
            )
        end = "](https://…)" if entity.mark in {_LINK, _EMOJI} else entity.mark
        return self.source.error(
            f"{entity.mark} opens formatting that is not closed where it must be; close it with {end}, "
            f"or write {_escape(entity.mark)} for the character itself",
            at=entity.at,
        )

    # Links and custom emoji

    def _read_exclamation(self) -> None:
        if self.source.startswith(_EMOJI):
            self._open(OpenEntity(type=EntityType.CUSTOM_EMOJI, mark=_EMOJI, at=self.source.position))
        else:
            self._take_character()

    def _read_bracket(self) -> None:
        source, builder = self.source, self.builder
        top = builder.top
        if top is None or top.mark not in {_LINK, _EMOJI}:
            if any(entity.mark in {_LINK, _EMOJI} for entity in builder.stack):
                assert top is not None
                raise self._unclosed(top)
            self._take_character()
            return
        if not source.startswith("(", ahead=1):
            raise source.error(
                f"{top.mark} needs an address in parentheses right after ]; write {_escape(top.mark)} for the "
                "bracket itself",
                at=top.at,
            )
        source.position += 2
        at = source.position
        address = self._read_address(top)
        if top.mark == _LINK:
            builder.point(top, address, at=at)
        else:
            top.custom_emoji_id = find_emoji_id(address)
            if top.custom_emoji_id is None:
                raise source.error(
                    "a custom emoji is written ![👍](tg://emoji?id=5368324170671202286)", at=at
                )
        builder.close()

    def _read_address(self, entity: OpenEntity) -> str:
        """With variables as `{name}` and braces of its own doubled."""
        source = self.source
        pieces: list[str] = []
        while not source.startswith(")"):
            if (text := source.take(_ADDRESS_TEXT)) is not None:
                pieces.append(text[0])
            elif source.current == "\\":
                pieces.append(escape_braces(self._take_escaped()))
            elif source.current in {"{", "}"}:
                part = read_brace(source)
                pieces.append(f"{{{part}}}" if isinstance(part, Variable) else part * 2)
            else:
                raise source.error("the link's address has no ) at its end on this line", at=entity.at)
        source.position += 1
        return "".join(pieces)

    # Code

    def _read_backtick(self) -> None:
        source = self.source
        start = source.position
        is_block = source.startswith("```")
        mark = "```" if is_block else "`"
        entity = OpenEntity(type=EntityType.PRE if is_block else EntityType.CODE, mark=mark, at=start)
        self._open(entity)
        if is_block:
            entity.language = self._read_language()
        while not source.startswith(mark):
            if source.is_at_end:
                raise self._unclosed(entity)
            if (text := source.take(_CODE_TEXT)) is not None:
                self.builder.add(text[0])
            elif source.current == "\\":
                self.builder.add(self._take_escaped())
            elif source.current == "`":
                self._take_character()
            else:
                self.builder.read_brace()
        if self.builder.units == entity.start:
            raise source.error(
                f"there is no code between {mark} and {mark}; write \\` for the character itself", at=start
            )
        self.builder.close()
        source.position += len(mark)

    def _read_language(self) -> str | None:
        """A word right after the opening mark, and one line end, which is not part of the code."""
        source = self.source
        match = source.take(_LANGUAGE)
        if match is not None and (source.current != "\n" or not _LANGUAGE_NAME.fullmatch(match[1])):
            raise source.error(
                f"Telegram would take {quote_source(match[1])} for the language of the code; "
                "begin the code on the next line",
                at=match.start(),
            )
        if source.current == "\n":
            source.position += 1
        return None if match is None else match[1]


def _escape(mark: str) -> str:
    return "".join(f"\\{character}" for character in mark)
