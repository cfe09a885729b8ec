"""Content that nothing changes any more: what a campaign keeps of its template, and what a direct send posts."""

from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from vestnik.content.buttons import Buttons, read_buttons, write_buttons
from vestnik.content.entities import FormattedText
from vestnik.content.limits import CAPTION, TEXT, Limit, check_length
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
from vestnik.domain.ids import MediaId
from vestnik.domain.media import MediaFile, MediaReference, MediaType, check_media
from vestnik.domain.posting import LATER_NAMES, USUAL, PostOptions, read_options, write_options
from vestnik.domain.transport import Content


@dataclass(frozen=True, kw_only=True, slots=True)
class FrozenContent:
    """A template that nothing changes any more, with the source that it was read from."""

    template: Template
    source: str = field(repr=False)
    parse_mode: ParseMode | None
    options: PostOptions = USUAL
    buttons: Buttons = ()
    files: tuple[MediaFile, ...] = ()
    address: MediaReference | None = None
    """A file that is still to be fetched from its address, and is one of `files` then."""

    @property
    def limit(self) -> Limit:
        """How long its text may be."""
        return CAPTION if self.files or self.address else TEXT

    @property
    def message_count(self) -> int:
        """How many messages a post is for Telegram: an album is one for each file."""
        return max(len(self.files), 1)

    @property
    def is_personal(self) -> bool:
        """Whether each channel gets a text of its own."""
        return bool(self.template.variables)

    def render(self, values: Values | None) -> Content:
        """What is posted in one channel; without values where `is_personal` is false.

        Raises InvalidInputError where that cannot be posted there.
        """
        assert self.address is None, "nothing is posted before the file is here"
        formatted = self.check(values)
        return make_content(formatted, options=self.options, buttons=self.buttons, files=self.files)

    def check(self, values: Values | None) -> FormattedText:
        """The text of one channel, whether the file is here or not. Raises as `render`."""
        formatted = render(self.template, values)
        check_length(formatted, self.limit)
        return formatted


def read_content(
    source: str,
    parse_mode: ParseMode | None,
    *,
    options: PostOptions = USUAL,
    buttons: Buttons = (),
    limit: Limit = TEXT,
    files: tuple[MediaFile, ...] = (),
    address: MediaReference | None = None,
    field: str = "content",
) -> FrozenContent:
    """Read and check what an operator wrote; it is kept with LF at its line ends. Raises InvalidInputError.

    With a file it is a caption, whatever `limit` says.
    """
    template = compile_template(source, parse_mode, field=field)
    check_template(template, CAPTION if files or address else limit, field=field)
    if buttons and len(files) > 1:
        raise InvalidInputError(
            "an album has no buttons in Telegram; take them out, or post one file", field="buttons"
        )
    return FrozenContent(
        template=template,
        source=unify_line_ends(source),
        parse_mode=parse_mode,
        options=options,
        buttons=buttons,
        files=files,
        address=address,
    )


def make_content(
    formatted: FormattedText,
    *,
    options: PostOptions = USUAL,
    buttons: Buttons = (),
    files: tuple[MediaFile, ...] = (),
) -> Content:
    """The formatted text as it is handed to Telegram."""
    return Content(
        text=formatted.text, entities=formatted.entities, options=options, buttons=buttons, files=files
    )


def frozen_to_json(frozen: FrozenContent) -> dict[str, Any]:
    """For storing; `frozen_from_json` gives the same back."""
    return (
        {
            "template": template_to_json(frozen.template),
            "source": frozen.source,
            "parse_mode": frozen.parse_mode,
        }
        | _write_options(frozen.options)
        | _write_buttons(frozen.buttons)
        | _write_files(frozen.files)
        | _write_address(frozen.address)
    )


def frozen_from_json(data: dict[str, Any]) -> FrozenContent:
    """Raises InvalidInputError for anything that cannot be read.

    Campaigns that were started before there was formatting keep `{"text", "link_preview"}`.
    """
    options = _read_options(data)
    if "template" not in data and isinstance(text := data.get("text"), str):
        return FrozenContent(
            template=Template(parts=(text,)),
            source=escape_braces(text),
            parse_mode=None,
            options=options,
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
        options=options,
        buttons=_read_buttons(data),
        files=_read_files(data),
        address=_read_address(data),
    )


def content_to_json(content: Content) -> dict[str, Any]:
    """A rendered post for storing; `content_from_json` gives the same back."""
    formatted = FormattedText(text=content.text, entities=content.entities)
    return (
        {"formatted": formatted_to_json(formatted)}
        | _write_options(content.options)
        | _write_buttons(content.buttons)
        | _write_files(content.files)
    )


def content_from_json(data: dict[str, Any]) -> Content:
    """Raises InvalidInputError for anything that cannot be read; plain texts of before are `{"text", …}`."""
    options = _read_options(data)
    if "formatted" not in data and isinstance(text := data.get("text"), str):
        return Content(text=text, options=options)
    formatted = formatted_from_json(data.get("formatted"))
    return make_content(formatted, options=options, buttons=_read_buttons(data), files=_read_files(data))


FILES: Final = "files"
"""Under this name stored content holds its files, each with its `id`."""


def _write_options(options: PostOptions) -> dict[str, Any]:
    """`options` only where they are not the usual ones, so that most content is stored as it always was."""
    written = write_options(options)
    later = {name: written[name] for name in LATER_NAMES}
    usual = replace(options, link_preview=True) == USUAL
    return {"link_preview": options.link_preview} | ({} if usual else {"options": later})


def _read_options(data: dict[str, Any]) -> PostOptions:
    later = data.get("options") or {}
    if not isinstance(later, dict):
        raise InvalidInputError(
            "the stored content holds options that cannot be read; correct it with a new text",
            field="content",
        )
    return read_options(later, PostOptions(link_preview=data.get("link_preview") is not False))


def _write_buttons(buttons: Buttons) -> dict[str, Any]:
    return {"buttons": write_buttons(buttons)} if buttons else {}


def _read_buttons(data: dict[str, Any]) -> Buttons:
    try:
        return read_buttons(data.get("buttons") or (), field="content")
    except (TypeError, AttributeError) as exc:
        raise InvalidInputError(
            "the stored content holds buttons that cannot be read; correct them", field="content"
        ) from exc


def _write_files(files: tuple[MediaFile, ...]) -> dict[str, Any]:
    """Nothing for texts alone, which are stored as before there were files."""
    return {FILES: [_file_to_json(file) for file in files]} if files else {}


def _write_address(address: MediaReference | None) -> dict[str, Any]:
    return {} if address is None else {"fetch": {"kind": address.kind, "url": address.url}}


def _read_address(data: dict[str, Any]) -> MediaReference | None:
    stored = data.get("fetch")
    if stored is None:
        return None
    try:
        return check_media(stored["kind"], stored["url"])
    except (TypeError, KeyError) as exc:
        raise InvalidInputError(
            "the stored content names no address of its file; correct it with a stored file", field="content"
        ) from exc


def _file_to_json(file: MediaFile) -> dict[str, Any]:
    return {
        "id": str(file.media_id),
        "kind": file.kind.value,
        "sha256": file.sha256,
        "size": file.size,
        "mime_type": file.mime_type,
        "name": file.name,
        "width": file.width,
        "height": file.height,
        "duration": file.duration,
    }


def _read_files(data: dict[str, Any]) -> tuple[MediaFile, ...]:
    stored = data.get(FILES) or []
    try:
        return tuple(
            MediaFile(media_id=MediaId(UUID(item["id"])), kind=MediaType(item["kind"]), **_read_facts(item))
            for item in stored
        )
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise InvalidInputError(
            "the stored content names a file that cannot be read; correct it with a new one", field="content"
        ) from exc


def _read_facts(item: dict[str, Any]) -> dict[str, Any]:
    needed = {name: item[name] for name in ("sha256", "size", "mime_type", "name")}
    return needed | {name: item.get(name) for name in ("width", "height", "duration")}
