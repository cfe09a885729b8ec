"""Content that nothing changes any more: what a campaign keeps of its template, and what a direct send posts."""

from dataclasses import dataclass, field
from typing import Any

from vestnik.content.entities import FormattedText
from vestnik.content.limits import TEXT, Limit, check_length
from vestnik.content.modes import ParseMode, compile_template, read_parse_mode
from vestnik.content.serialising import (
    formatted_from_json,
    formatted_to_json,
    template_from_json,
    template_to_json,
)
from vestnik.content.source import unify_line_ends
from vestnik.content.templates import Template, check_template, render
from vestnik.content.variables import Values, escape_braces
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.transport import Content


@dataclass(frozen=True, kw_only=True, slots=True)
class FrozenContent:
    """A template that nothing changes any more, with the source that it was read from."""

    template: Template
    source: str = field(repr=False)
    parse_mode: ParseMode | None
    link_preview: bool

    @property
    def is_personal(self) -> bool:
        """Whether each channel gets a text of its own."""
        return bool(self.template.variables)

    def render(self, values: Values | None) -> Content:
        """What is posted in one channel; without values where `is_personal` is false.

        Raises InvalidInputError where that cannot be posted there.
        """
        formatted = render(self.template, values)
        check_length(formatted)
        return make_content(formatted, link_preview=self.link_preview)


def read_content(
    source: str,
    parse_mode: ParseMode | None,
    *,
    link_preview: bool,
    limit: Limit = TEXT,
    field: str = "content",
) -> FrozenContent:
    """Read and check what an operator wrote; it is kept with LF at its line ends. Raises InvalidInputError."""
    template = compile_template(source, parse_mode, field=field)
    check_template(template, limit, field=field)
    return FrozenContent(
        template=template, source=unify_line_ends(source), parse_mode=parse_mode, link_preview=link_preview
    )


def make_content(formatted: FormattedText, *, link_preview: bool) -> Content:
    """The formatted text as it is handed to Telegram."""
    return Content(text=formatted.text, entities=formatted.entities, link_preview=link_preview)


def frozen_to_json(frozen: FrozenContent) -> dict[str, Any]:
    """For storing; `frozen_from_json` gives the same back."""
    return {
        "template": template_to_json(frozen.template),
        "source": frozen.source,
        "parse_mode": frozen.parse_mode,
        "link_preview": frozen.link_preview,
    }


def frozen_from_json(data: dict[str, Any]) -> FrozenContent:
    """Raises InvalidInputError for anything that cannot be read.

    Campaigns that were started before there was formatting keep `{"text", "link_preview"}`.
    """
    link_preview = data.get("link_preview") is not False
    if "template" not in data and isinstance(text := data.get("text"), str):
        return FrozenContent(
            template=Template(parts=(text,)),
            source=escape_braces(text),
            parse_mode=None,
            link_preview=link_preview,
        )
    source = data.get("source")
    if not isinstance(source, str):
        raise InvalidInputError(
            "the stored content holds no source; correct it with a new text", field="content"
        )
    return FrozenContent(
        template=template_from_json(data.get("template")),
        source=source,
        parse_mode=read_parse_mode(data.get("parse_mode")),
        link_preview=link_preview,
    )


def content_to_json(content: Content) -> dict[str, Any]:
    """A rendered post for storing; `content_from_json` gives the same back."""
    formatted = FormattedText(text=content.text, entities=content.entities)
    return {"formatted": formatted_to_json(formatted), "link_preview": content.link_preview}


def content_from_json(data: dict[str, Any]) -> Content:
    """Raises InvalidInputError for anything that cannot be read; plain texts of before are `{"text", …}`."""
    link_preview = data.get("link_preview") is not False
    if "formatted" not in data and isinstance(text := data.get("text"), str):
        return Content(text=text, link_preview=link_preview)
    return make_content(formatted_from_json(data.get("formatted")), link_preview=link_preview)
