"""Templates: what campaigns post."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import (
    CAPTION,
    TEXT,
    Buttons,
    Limit,
    ParseMode,
    Variable,
    compile_template,
    measure_least,
    read_buttons,
    read_content,
    read_parse_mode,
    write_buttons,
)
from vestnik.db import templates as rows
from vestnik.db.audit import record_audit
from vestnik.db.legacy_ids import find_by_legacy_id
from vestnik.db.media import describe_file, note_use
from vestnik.db.models import Account, Template
from vestnik.domain.actors import Actor
from vestnik.domain.albums import choose_media_ids
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import AccountId, TemplateId
from vestnik.domain.media import MediaType, check_media
from vestnik.domain.names import check_name, choose_free_name, name_stem
from vestnik.domain.posting import (
    LinkButton,
    PreviewPosition,
    PreviewSize,
    pick_options,
    require_means,
    write_options,
)
from vestnik.domain.states import AccountKind
from vestnik.services.accounts import parse_id, quote_names
from vestnik.services.template_files import TemplateChanges, check_files, find_kind, settle_media

_SUGGESTIONS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateDraft:
    """What a person says of a template; nothing is checked yet. Without `parse_mode` it is plain text."""

    name: str
    content: str
    parse_mode: str | None = None
    link_preview: bool = True
    link_preview_position: str = PreviewPosition.BELOW.value
    link_preview_size: str | None = None
    silent: bool = False
    protect_content: bool = False
    buttons: Sequence[Sequence[LinkButton | Mapping[str, Any]]] = ()
    """Rows of buttons with links, which only bots can post."""
    media_type: str | None = None
    media_url: str | None = None
    media_id: UUID | None = None
    """A stored file; the type is its own, and need not be given."""
    media_ids: Sequence[UUID] = ()
    """The stored files of an album in their order; one alone is the same as `media_id`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedTemplate:
    """A template in a list, where nothing is computed."""

    id: UUID
    name: str
    content: str
    parse_mode: ParseMode | None
    link_preview: bool
    link_preview_position: PreviewPosition
    link_preview_size: PreviewSize | None
    silent: bool
    protect_content: bool
    buttons: Buttons
    media_type: MediaType | None
    media_url: str | None
    media_id: UUID | None
    """The first of `media_ids`."""
    media_ids: tuple[UUID, ...]
    """All stored files in their order."""
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateView(ListedTemplate):
    """A template as it is shown. `length` counts UTF-16 units, as Telegram does, with variables as if empty."""

    length: int
    limit: int
    variables: tuple[Variable, ...]


async def create_template(
    session: AsyncSession,
    actor: Actor,
    name: str,
    content: str,
    *,
    number_name: bool = False,
    parse_mode: str | None = None,
    link_preview: bool = True,
) -> TemplateView:
    """As `save_template`, for a text without media, which errors call `text`."""
    draft = TemplateDraft(name=name, content=content, parse_mode=parse_mode, link_preview=link_preview)
    return await save_template(session, actor, draft, number_name=number_name, field="text")


async def save_template(
    session: AsyncSession,
    actor: Actor,
    draft: TemplateDraft,
    *,
    number_name: bool = False,
    field: str = "content",
) -> TemplateView:
    """Make a template.

    With `number_name` a name that is taken gets a number. Raises MarkupError and InvalidInputError for what could
    not be posted or would lose formatting, ConflictError for a name that is taken.
    """
    columns = await _check_draft(session, draft, field=field)
    wanted = columns["name"]
    template_id = await rows.insert_template(session, columns)
    while template_id is None and number_name:
        taken = await rows.list_template_names(session, beginning=name_stem(wanted))
        columns["name"] = choose_free_name(wanted, set(taken))
        template_id = await rows.insert_template(session, columns)
    if template_id is None:
        raise _name_taken(wanted)
    await record_audit(session, actor, "template.created", "template", template_id, after=_describe(columns))
    return await get_template(session, template_id)


async def _check_draft(
    session: AsyncSession, draft: TemplateDraft, *, field: str = "content"
) -> dict[str, Any]:
    """The columns that it becomes."""
    ids = choose_media_ids(draft.media_id, draft.media_ids)
    media = check_media(draft.media_type, draft.media_url, ids[0] if ids else None)
    kind = None if media is None else await find_kind(session, media)
    files = tuple(describe_file(media) for media in await check_files(session, ids))
    mode = read_parse_mode(draft.parse_mode, field="parse_mode")
    name = check_name(draft.name)
    limit = find_limit(media)
    options = pick_options(draft)
    content = read_content(
        draft.content,
        mode,
        options=options,
        buttons=read_buttons(draft.buttons),
        limit=limit,
        files=files,
        field=field,
    )
    return (
        asdict(draft)
        | write_options(options)
        | {
            "name": name,
            "content": content.source,
            "parse_mode": mode,
            "buttons": write_buttons(content.buttons),
            "media_type": kind,
            "media_id": ids[0] if ids else None,
            "media_ids": list(ids) if len(ids) > 1 else [],
        }
    )


def _describe(columns: dict[str, Any]) -> dict[str, Any]:
    """For the audit log."""
    return {name: _write(value) for name, value in columns.items()}


def _write(value: object) -> object:
    if isinstance(value, list):
        return [_write(item) for item in value]
    return str(value) if isinstance(value, UUID) else value


def find_limit(media: object) -> Limit:
    """How long the text may be, alone or with media."""
    return TEXT if media is None else CAPTION


def _name_taken(name: str) -> ConflictError:
    return ConflictError(f"there is a template '{name}' already; choose another name", field="name")


async def get_template(session: AsyncSession, template_id: TemplateId) -> TemplateView:
    """The template as it is now. Raises NotFoundError."""
    return _view(await _require_template(session, template_id))


async def list_templates(
    session: AsyncSession,
    *,
    limit: int,
    search: str | None = None,
    after: tuple[datetime, TemplateId] | None = None,
) -> list[ListedTemplate]:
    """The newest first; `after` is (created_at, id) of the last one already seen."""
    found = await rows.list_templates(session, limit=limit, search=search, after=after)
    return [ListedTemplate(**_list_fields(template)) for template in found]


async def edit_template(
    session: AsyncSession,
    actor: Actor,
    template_id: TemplateId,
    changes: TemplateChanges,
    *,
    expected_revision: int | None = None,
) -> TemplateView:
    """Change a template for campaigns that are still to start; those that have started keep what they froze.

    Raises NotFoundError, StaleRevisionError, and what `save_template` raises.
    """
    template = await _require_template(session, template_id, lock=True)
    _require_revision(template, expected_revision)
    before = {name: getattr(template, name) for name in TemplateDraft.__dataclass_fields__}
    columns = await _check_draft(session, replace(TemplateDraft(**before), **settle_media(changes)))
    changed = {name: value for name, value in columns.items() if value != before[name]}
    if not changed:
        return _view(template)
    if "name" in changed and await rows.is_name_taken(session, columns["name"], template_id):
        raise _name_taken(columns["name"])
    try:
        await note_use(session, choose_media_ids(before["media_id"], before["media_ids"]))
        await rows.change_template(session, template, changed)
    except IntegrityError as exc:  # taken by somebody else in this moment
        raise _name_taken(columns["name"]) from exc
    await record_audit(
        session,
        actor,
        "template.changed",
        "template",
        template_id,
        before=_describe({name: before[name] for name in changed}),
        after=_describe(changed),
    )
    return _view(template)


async def delete_template(
    session: AsyncSession, actor: Actor, template_id: TemplateId, *, expected_revision: int | None = None
) -> None:
    """Remove a template. Raises NotFoundError, StaleRevisionError, ConflictError while a campaign uses it."""
    template = await _require_template(session, template_id, lock=True)
    _require_revision(template, expected_revision)
    names, count = await rows.list_using_campaigns(session, template_id, limit=_SUGGESTIONS)
    if count:
        more = f" and {count - len(names)} more" if count > len(names) else ""
        raise ConflictError(
            f"template '{template.name}' is used by {quote_names(names)}{more}; delete those campaigns first"
        )
    if await rows.is_being_freed(session, template_id):
        raise ConflictError(
            f"the messages of a deleted campaign with template '{template.name}' are still being removed; "
            "try again in a moment"
        )
    before = {name: getattr(template, name) for name in TemplateDraft.__dataclass_fields__}
    await note_use(session, choose_media_ids(template.media_id, template.media_ids))
    await rows.delete_template(session, template)
    await record_audit(session, actor, "template.deleted", "template", template_id, before=_describe(before))


async def duplicate_template(
    session: AsyncSession, actor: Actor, template_id: TemplateId, *, name: str | None = None
) -> TemplateView:
    """Make another template of the same content; without a name it gets the original's with a number."""
    template = await _require_template(session, template_id)
    draft = TemplateDraft(**{field: getattr(template, field) for field in TemplateDraft.__dataclass_fields__})
    if name is not None:
        return await save_template(session, actor, replace(draft, name=name))
    return await save_template(session, actor, draft, number_name=True)


async def find_template(session: AsyncSession, reference: str) -> Template:
    """The template of this name or id. Raises NotFoundError, which names some that there are."""
    reference = check_name(reference, field="template")
    template = await rows.find_template_by_name(session, reference)
    if template is None:
        template_id = await find_by_legacy_id(session, "templates", reference) or parse_id(reference)
        template = None if template_id is None else await rows.get_template(session, TemplateId(template_id))
    if template is None:
        names = await rows.list_template_names(session, limit=_SUGGESTIONS)
        hint = f"the newest are {quote_names(names)}" if names else "there is none yet"
        raise NotFoundError(f"there is no template '{reference}'; {hint}", field="template")
    return template


async def require_postable(session: AsyncSession, template_id: TemplateId, account_id: AccountId) -> None:
    """Raises InvalidInputError for a template with what only bots can post and an account that is no bot's."""
    template = await _require_template(session, template_id)
    account = await session.get_one(Account, account_id)
    require_means(
        AccountKind(account.kind),
        account.name,
        has_buttons=bool(template.buttons),
        is_protected=template.protect_content,
    )


async def _require_template(
    session: AsyncSession, template_id: TemplateId, *, lock: bool = False
) -> Template:
    template = await rows.get_template(session, template_id, lock=lock)
    if template is None:
        raise NotFoundError(f"there is no template {template_id}", field="template")
    return template


def _require_revision(template: Template, expected: int | None) -> None:
    if expected is not None and template.revision != expected:
        raise StaleRevisionError(
            f"template '{template.name}' was changed meanwhile; read it again and repeat your change on what it is now"
        )


def _view(template: Template) -> TemplateView:
    return measure_listed(ListedTemplate(**_list_fields(template)))


def measure_listed(listed: ListedTemplate) -> TemplateView:
    """A template of a list with what is computed of its text, which takes a while for a long one.

    One that no longer can be read, as another version stored it, is still shown.
    """
    length, variables = 0, frozenset[Variable]()
    with suppress(InvalidInputError):
        compiled = compile_template(listed.content, listed.parse_mode)
        length, variables = measure_least(compiled), compiled.variables
    return TemplateView(
        **{name: getattr(listed, name) for name in ListedTemplate.__dataclass_fields__},
        length=length,
        limit=find_limit(listed.media_type).units,
        variables=tuple(sorted(variables)),
    )


def _read_stored_buttons(template: Template) -> Buttons:
    """None where they cannot be read, as another version stored them."""
    with suppress(InvalidInputError):
        return read_buttons(template.buttons)
    return ()


def _list_fields(template: Template) -> dict[str, Any]:
    fields = {name: getattr(template, name) for name in ListedTemplate.__dataclass_fields__}
    kind, size = template.media_type, template.link_preview_size
    return fields | {
        "parse_mode": read_parse_mode(template.parse_mode),
        "link_preview_position": PreviewPosition(template.link_preview_position),
        "link_preview_size": None if size is None else PreviewSize(size),
        "media_type": None if kind is None else MediaType(kind),
        "media_ids": choose_media_ids(template.media_id, template.media_ids),
        "buttons": _read_stored_buttons(template),
    }
