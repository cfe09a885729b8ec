"""Templates: what campaigns post."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import templates as rows
from vestnik.db.audit import record_audit
from vestnik.db.models import Template
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, NotFoundError
from vestnik.domain.ids import TemplateId
from vestnik.domain.limits import count_utf16
from vestnik.domain.names import check_name, choose_free_name, name_stem
from vestnik.domain.templates import check_text
from vestnik.services.accounts import parse_id, quote_names

_SUGGESTIONS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateView:
    """A template as it is shown. `length` counts UTF-16 units, as Telegram does."""

    id: UUID
    name: str
    content: str
    length: int


async def create_template(
    session: AsyncSession, actor: Actor, name: str, text: str, *, number_name: bool = False
) -> TemplateView:
    """Make a template of plain text, which is posted as it is.

    With `number_name` a name that is taken gets a number. Raises InvalidInputError for a bad name or text,
    ConflictError for a name that is taken.
    """
    name = check_name(name)
    content = check_text(text)
    template_id = await rows.insert_template(session, name=name, content=content)
    wanted = name
    while template_id is None and number_name:
        taken = await rows.list_template_names(session, beginning=name_stem(wanted))
        name = choose_free_name(wanted, set(taken))
        template_id = await rows.insert_template(session, name=name, content=content)
    if template_id is None:
        raise ConflictError(f"there is a template '{name}' already; choose another name", field="name")
    await record_audit(
        session, actor, "template.created", "template", template_id, after={"name": name, "content": content}
    )
    return TemplateView(id=template_id, name=name, content=content, length=count_utf16(content))


async def find_template(session: AsyncSession, reference: str) -> Template:
    """The template of this name or id. Raises NotFoundError, which names some that there are."""
    reference = check_name(reference, field="template")
    template = await rows.find_template_by_name(session, reference)
    if template is None and (template_id := parse_id(reference)) is not None:
        template = await rows.get_template(session, TemplateId(template_id))
    if template is None:
        names = await rows.list_template_names(session, limit=_SUGGESTIONS)
        hint = f"the newest are {quote_names(names)}" if names else "there is none yet"
        raise NotFoundError(f"there is no template '{reference}'; {hint}", field="template")
    return template
