"""The audit log: everybody may read what was done.

Administrators also see who tried to sign in, and from where, and may take the log out as a file.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from vestnik.api.schemas import ApiModel, Instant, Limit, Page, Text, make_page
from vestnik.domain.actors import ActorKind
from vestnik.domain.users import Role
from vestnik.services import audit
from vestnik.services.audit import AuditEntry, AuditFilter
from vestnik.web.csv_stream import stream_csv
from vestnik.web.cursors import decode_cursor
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/audit", tags=["audit"])

_EXPORT_PAGE = 1_000
_COLUMNS = (
    "id", "created_at", "actor_kind", "actor", "address", "action", "entity_type", "entity_id", "before", "after",
)  # fmt: skip


class AuditQuery(ApiModel):
    """Which entries are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    action: Annotated[
        Text | None,
        Field(max_length=100, description="`campaign.started`, or `campaign.` for all of campaigns."),
    ] = None
    actor: Annotated[Text | None, Field(max_length=300, description="The name as an entry shows it.")] = None
    actor_kind: ActorKind | None = None
    entity_type: Annotated[Text | None, Field(max_length=100)] = None
    entity_id: Annotated[Text | None, Field(max_length=100)] = None
    since: Instant | None = None
    until: Annotated[Instant | None, Field(description="Up to and without this instant.")] = None

    def make_filter(self) -> AuditFilter:
        """As the service takes it."""
        return AuditFilter(**self.model_dump(by_alias=False, include=set(AuditFilter.__dataclass_fields__)))


class AuditPageQuery(AuditQuery):
    """Which entries are wanted, and which page of them."""

    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class AuditView(ApiModel):
    """Who did what to which thing, when; `before` and `after` hold the changed fields."""

    id: int
    created_at: datetime
    actor_kind: ActorKind
    actor: Annotated[str, Field(examples=["editor@news.example"])]
    address: Annotated[
        str | None, Field(description="Where the request came from; only administrators see it.")
    ]
    action: Annotated[str, Field(examples=["campaign.started"])]
    entity_type: Annotated[str, Field(examples=["campaign"])]
    entity_id: Annotated[str, Field(examples=["8d1f6c1e-6d6a-4a5e-9d57-0f4a0c1b2d3e"])]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("", **allow(Role.VIEWER))
async def list_audit(
    request: Request, identity: Identified, query: Annotated[AuditPageQuery, Query()]
) -> Page[AuditView]:
    """The newest entries first.

    Failed sign-ins (`session.failed`) and addresses are shown to administrators only.
    """
    before_id = None if query.cursor is None else decode_cursor(query.cursor, [int])[0]
    assert before_id is None or isinstance(before_id, int)
    found = await read_state(request.app).database.run(
        lambda session: audit.list_entries(
            session,
            query.make_filter(),
            limit=query.limit + 1,
            before_id=before_id,
            role=identity.role,
        )
    )
    return Page[AuditView](**make_page(found, query.limit, AuditView.show, lambda entry: [entry.id]))


@router.get(
    "/export.csv",
    response_class=StreamingResponse,
    responses={200: {"description": "The entries, the newest first", "content": {"text/csv": {}}}},
    **allow(Role.ADMIN),
)
async def export_audit(
    request: Request, identity: Identified, query: Annotated[AuditQuery, Query()]
) -> StreamingResponse:
    """All entries as CSV. That they were exported is an entry too."""
    database = read_state(request.app).database
    wanted = query.make_filter()
    # Checked, and the first page read, before the answer begins: afterwards an error could not be told.
    first = await database.run(
        lambda session: audit.list_entries(session, wanted, limit=_EXPORT_PAGE, role=identity.role)
    )
    await database.run(lambda session: audit.begin_export(session, identity.actor))

    async def read_pages() -> AsyncIterator[list[list[object]]]:
        page = first
        while page:
            yield [_list_cells(entry) for entry in page]
            last_id = page[-1].id
            page = await database.run(
                lambda session, last_id=last_id: audit.list_entries(  # type: ignore[misc]
                    session, wanted, limit=_EXPORT_PAGE, before_id=last_id, role=identity.role
                )
            )

    return stream_csv("audit.csv", [to_camel(name) for name in _COLUMNS], read_pages())


def _list_cells(entry: AuditEntry) -> list[object]:
    values = (getattr(entry, name) for name in _COLUMNS)
    return [json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value for value in values]
