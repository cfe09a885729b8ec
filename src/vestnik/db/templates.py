"""Templates."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Template
from vestnik.domain.ids import TemplateId


async def insert_template(
    session: AsyncSession, *, name: str, content: str, link_preview: bool = True
) -> TemplateId | None:
    """Make a template of plain text; None when the name is taken."""
    template_id = await session.scalar(
        insert(Template)
        .values(name=name, content=content, link_preview=link_preview)
        .on_conflict_do_nothing()
        .returning(Template.id)
    )
    return None if template_id is None else TemplateId(template_id)


async def get_template(session: AsyncSession, template_id: TemplateId) -> Template | None:
    """The template, or None."""
    return await session.get(Template, template_id)


async def find_template_by_name(session: AsyncSession, name: str) -> Template | None:
    """The template of that name, or None."""
    return await session.scalar(select(Template).where(Template.name == name))


async def list_template_names(
    session: AsyncSession, *, beginning: str = "", limit: int | None = None
) -> list[str]:
    """Names in use that begin with a text, the newest first."""
    query = select(Template.name).where(Template.name.startswith(beginning, autoescape=True))
    return list(await session.scalars(query.order_by(Template.created_at.desc(), Template.id).limit(limit)))
