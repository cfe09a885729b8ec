"""What is posted: text, formatting, limits and variables. Pure: no Telegram client, no database, no clock.

A source (`compile_template`, in HTML, Markdown or plain) becomes a `Template`, which is checked when it is saved
(`check_template`) and filled for each channel (`render`). The result is a `FormattedText`: a text and entities
with offsets in UTF-16 units, which is checked for its channel (`check_length`), shown (`render_preview_html`) and
sent. Both can be stored (`template_to_json`, `formatted_to_json`).

What is wrong is an InvalidInputError; a MarkupError is one that also knows line and column. Nothing that Telegram
would drop from a text passes in silence. Its facts come from core.telegram.org/bots/api#formatting-options,
core.telegram.org/api/entities and TDLib's source (td/telegram/MessageEntity.cpp, misc.cpp).
"""

from vestnik.content.buttons import Buttons, read_buttons, write_buttons
from vestnik.content.entities import EntityType, FormattedText, MessageEntity
from vestnik.content.errors import MarkupError
from vestnik.content.frozen import (
    FrozenContent,
    content_from_json,
    content_to_json,
    frozen_from_json,
    frozen_to_json,
    make_content,
    read_content,
)
from vestnik.content.limits import CAPTION, MAX_ENTITIES, TEXT, Limit, check_length, count_units
from vestnik.content.links import find_first_link
from vestnik.content.markdown import parse_markdown
from vestnik.content.modes import ParseMode, compile_template, parse_plain, read_parse_mode
from vestnik.content.normalising import normalise
from vestnik.content.preview import render_preview_html
from vestnik.content.serialising import (
    entity_to_json,
    formatted_from_json,
    formatted_to_json,
    template_from_json,
    template_to_json,
)
from vestnik.content.source import MAX_SOURCE_LENGTH
from vestnik.content.telegram_html import parse_html
from vestnik.content.templates import Template, check_template, measure, measure_least, render
from vestnik.content.variables import Values, Variable, list_variables

__all__ = [
    "CAPTION",
    "MAX_ENTITIES",
    "MAX_SOURCE_LENGTH",
    "TEXT",
    "Buttons",
    "EntityType",
    "FormattedText",
    "FrozenContent",
    "Limit",
    "MarkupError",
    "MessageEntity",
    "ParseMode",
    "Template",
    "Values",
    "Variable",
    "check_length",
    "check_template",
    "compile_template",
    "content_from_json",
    "content_to_json",
    "count_units",
    "entity_to_json",
    "find_first_link",
    "formatted_from_json",
    "formatted_to_json",
    "frozen_from_json",
    "frozen_to_json",
    "list_variables",
    "make_content",
    "measure",
    "measure_least",
    "normalise",
    "parse_html",
    "parse_markdown",
    "parse_plain",
    "read_buttons",
    "read_content",
    "read_parse_mode",
    "render",
    "render_preview_html",
    "template_from_json",
    "template_to_json",
    "write_buttons",
]
