"""Templates."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Campaign, Template
from vestnik.domain.ids import TemplateId


async def insert_template(session: AsyncSession, values: Mapping[str, Any]) -> TemplateId | None:
    """Make a template of these columns; None when the name is taken."""
    template_id = await session.scalar(
        insert(Template).values(**values).on_conflict_do_nothing().returning(Template.id)
    )
    return None if template_id is None else TemplateId(template_id)


async def get_template(
    session: AsyncSession, template_id: TemplateId, *, lock: bool = False
) -> Template | None:
    """The template as it is now, or None. With `lock` no campaign begins to use it until the transaction ends."""
    query = select(Template).where(Template.id == template_id).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update() if lock else query)


async def lock_template(session: AsyncSession, template_id: TemplateId) -> bool:
    """Keep a template from being deleted until the transaction ends; False if there is none."""
    query = select(Template.id).where(Template.id == template_id).with_for_update(read=True, key_share=True)
    return await session.scalar(query) is not None


async def find_template_by_name(session: AsyncSession, name: str) -> Template | None:
    """The template of that name, or None."""
    return await session.scalar(select(Template).where(Template.name == name))


async def list_templates(
    session: AsyncSession, *, limit: int, search: str | None, after: tuple[datetime, TemplateId] | None
) -> list[Template]:
    """The newest first, from behind (created_at, id); those whose name or text holds what is searched for."""
    query = select(Template).order_by(Template.created_at.desc(), Template.id.desc()).limit(limit)
    if search:
        found = [column.icontains(search, autoescape=True) for column in (Template.name, Template.content)]
        query = query.where(or_(*found))
    if after is not None:
        query = query.where(tuple_(Template.created_at, Template.id) < tuple_(*after))
    return list(await session.scalars(query))


async def list_template_names(
    session: AsyncSession, *, beginning: str = "", limit: int | None = None
) -> list[str]:
    """Names in use that begin with a text, the newest first."""
    query = select(Template.name).where(Template.name.startswith(beginning, autoescape=True))
    return list(await session.scalars(query.order_by(Template.created_at.desc(), Template.id).limit(limit)))


async def change_template(session: AsyncSession, template: Template, values: Mapping[str, Any]) -> None:
    """Set columns of a locked template. Raises IntegrityError when the name is taken."""
    for name, value in values.items():
        setattr(template, name, value)
    template.revision += 1
    template.updated_at = func.clock_timestamp()
    await session.flush()
    await session.refresh(template)


async def is_name_taken(session: AsyncSession, name: str, template_id: TemplateId) -> bool:
    """Whether another template has the name."""
    query = select(Template.id).where(Template.name == name, Template.id != template_id)
    return await session.scalar(query) is not None


async def list_using_campaigns(
    session: AsyncSession, template_id: TemplateId, *, limit: int
) -> tuple[list[str], int]:
    """Names of campaigns that use the template, the newest first, and how many there are in all."""
    used = (Campaign.template_id == template_id) & Campaign.deleted_at.is_(None)
    names = select(Campaign.name).where(used).order_by(Campaign.created_at.desc(), Campaign.id).limit(limit)
    count = await session.scalar(select(func.count()).select_from(Campaign).where(used))
    return list(await session.scalars(names)), count or 0


async def is_being_freed(session: AsyncSession, template_id: TemplateId) -> bool:
    """Whether a deleted campaign of which messages are left still needs the template."""
    query = select(Campaign.id).where(Campaign.template_id == template_id, Campaign.deleted_at.is_not(None))
    return await session.scalar(query.limit(1)) is not None


async def delete_template(session: AsyncSession, template: Template) -> None:
    """Remove a template that no campaign uses."""
    await session.delete(template)
    await session.flush()
