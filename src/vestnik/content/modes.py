"""How the source of a template is written."""

import re
from enum import StrEnum
from typing import Final

from vestnik.content.building import Builder
from vestnik.content.markdown import parse_markdown
from vestnik.content.source import Source
from vestnik.content.telegram_html import parse_html
from vestnik.content.templates import Template
from vestnik.domain.errors import InvalidInputError


class ParseMode(StrEnum):
    """As stored. None in its place is plain text, in which only variables mean something."""

    HTML = "HTML"
    MARKDOWN = "MARKDOWN"


_TEXT: Final = re.compile(r"[^{}]+")
_SPELLINGS: Final = {"html": ParseMode.HTML, "markdown": ParseMode.MARKDOWN, "markdownv2": ParseMode.MARKDOWN}


def read_parse_mode(value: str | None, *, field: str = "parseMode") -> ParseMode | None:
    """HTML or Markdown, of which MarkdownV2 is another name (`content.markdown`); None or nothing is plain text.

    Raises InvalidInputError for other words.
    """
    word = (value or "").strip().lower()
    if not word:
        return None
    if word not in _SPELLINGS:
        raise InvalidInputError(
            "the parse mode is HTML or Markdown; leave it out for plain text", field=field
        )
    return _SPELLINGS[word]


def parse_plain(source: str, *, field: str = "content") -> Template:
    """Text as it is, with variables. Raises MarkupError and InvalidInputError as the parsers of markup do."""
    cursor = Source(source, field=field)
    builder = Builder(source=cursor)
    while not cursor.is_at_end:
        text = cursor.take(_TEXT)
        if text is None:
            builder.read_brace()
        else:
            builder.add(text[0])
    return builder.finish()


def compile_template(source: str, mode: ParseMode | None, *, field: str = "content") -> Template:
    """Read a source as its mode says; see the parsers for what they raise."""
    match mode:
        case None:
            return parse_plain(source, field=field)
        case ParseMode.HTML:
            return parse_html(source, field=field)
        case ParseMode.MARKDOWN:
            return parse_markdown(source, field=field)
