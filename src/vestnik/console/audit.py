"""The audit log: who did what, and when."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.audit_words import ACTIONS, NOUNS
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.users import Role
from vestnik.services import audit
from vestnik.services.audit import AuditFilter

router = APIRouter(prefix="/audit")

_LONGEST = 300


@router.get("", **open_to(Role.VIEWER))
async def list_audit(visitor: Visiting) -> Response:
    """The newest entries first, all or those that are asked for."""
    cursor = read_cursor(visitor.request, (int,))
    wanted = _read_filter(visitor)
    found = await visitor.read(
        lambda session: audit.list_entries(
            session,
            wanted,
            limit=PAGE_SIZE + 1,
            before_id=None if cursor is None else cursor[0],
            role=visitor.identity.role,
        )
    )
    return visitor.render(
        "audit/list.html",
        page=make_page(visitor.request, found, lambda entry: [entry.id]),
        asked=visitor.request.query_params,
        nouns=NOUNS,
        actions=ACTIONS,
        is_filtered=wanted != AuditFilter(),
    )


def _read_filter(visitor: Visitor) -> AuditFilter:
    """What was asked for; a day that is none asks for nothing."""
    asked = visitor.request.query_params
    day = _read_day(visitor, asked.get("day", ""))
    noun = asked.get("noun", "")
    return AuditFilter(
        action=f"{noun}." if noun in NOUNS else None,
        actor=asked.get("actor", "").strip()[:_LONGEST] or None,
        entity_id=asked.get("entity", "").strip()[:_LONGEST] or None,
        since=day,
        until=None if day is None else day + timedelta(days=1),
    )


def _read_day(visitor: Visitor, text: str) -> datetime | None:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=visitor.formats.zone)
    except ValueError:
        return None
    return day if 1970 < day.year < 9000 else None
