"""What needs a person: what goes on and what was."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from vestnik.api.schemas import ApiModel, Limit, Page, Text, make_page
from vestnik.domain.alerts import (
    AlertKind,
    AlertState,
    AlertSubject,
    DestinationKind,
    NotificationStatus,
    Occasion,
)
from vestnik.domain.users import Role
from vestnik.services import alert_records
from vestnik.services.alert_records import AlertDetails, AlertFilter
from vestnik.web.cursors import decode_cursor
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/alerts", tags=["alerts"])

LARGEST_ID: Final = 2**63 - 1


class AlertModel(ApiModel):
    """Something that needs or needed a person."""

    id: Annotated[int, Field(examples=[17])]
    key: Annotated[
        str,
        Field(
            description="The same each time the same is wrong with the same thing; it goes on once at a time.",
            examples=["ACCOUNT_LIMITED:6b1f0a52-6c0e-4f0e-9d57-0d2c2f7c1b11"],
        ),
    ]
    kind: AlertKind
    state: AlertState
    is_urgent: Annotated[bool, Field(description="Posts wait for it.")]
    subject: Annotated[AlertSubject, Field(description="What kind of thing it is about.")]
    subject_id: Annotated[UUID | None, Field(description="Of the account, campaign or destination.")]
    name: Annotated[
        str,
        Field(description="What that was called. Names of machines are for OPERATOR.", examples=["newsroom"]),
    ]
    title: Annotated[str, Field(examples=["Telegram has restricted the account “newsroom”."])]
    detail: Annotated[
        str | None,
        Field(description="The reason, if one is known.", examples=["3 of 20 results are failures."]),
    ]
    since: datetime
    resolved_at: datetime | None
    notified_at: Annotated[datetime | None, Field(description="When a message about it was last delivered.")]


class NotificationModel(ApiModel):
    """A message about an alert to one destination."""

    id: int
    destination_id: UUID
    destination_name: Annotated[str, Field(examples=["news desk"])]
    destination_kind: DestinationKind
    occasion: Occasion
    status: NotificationStatus
    attempts: Annotated[int, Field(description="Those that failed.")]
    error: Annotated[
        str | None, Field(description="Why the last attempt failed.", examples=["there is no host x"])
    ]
    created_at: datetime
    sent_at: datetime | None


class AlertDetailModel(AlertModel):
    """An alert with all messages about it."""

    messages: Sequence[NotificationModel]


class AlertQuery(ApiModel):
    """Which alerts are wanted, and which page of them."""

    state: AlertState | None = None
    kind: AlertKind | None = None
    urgent: bool | None = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


@router.get("", **allow(Role.VIEWER))
async def list_alerts(
    request: Request, identity: Identified, query: Annotated[AlertQuery, Query()]
) -> Page[AlertModel]:
    """The newest first. What is resolved stays for 90 days."""
    before = None if query.cursor is None else decode_cursor(query.cursor, [int])[0]
    assert before is None or isinstance(before, int)
    wanted = AlertFilter(state=query.state, kind=query.kind, is_urgent=query.urgent)
    found = await read_state(request.app).database.run(
        lambda session: alert_records.list_records(
            session,
            wanted,
            limit=query.limit + 1,
            before_id=before,
            shows_machines=identity.role.includes(Role.OPERATOR),
        )
    )
    return Page[AlertModel](**make_page(found, query.limit, AlertModel.show, lambda alert: [alert.id]))


@router.get("/{alert_id}", **allow(Role.VIEWER))
async def show_alert(
    request: Request, identity: Identified, alert_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> AlertDetailModel:
    """One alert, with what became of the messages about it."""
    details = await read_state(request.app).database.run(
        lambda session: alert_records.get_alert(
            session, alert_id, shows_machines=identity.role.includes(Role.OPERATOR)
        )
    )
    return _show(details)


def _show(details: AlertDetails) -> AlertDetailModel:
    shown = AlertModel.show(details.view).model_dump(by_alias=False)
    return AlertDetailModel(
        **shown, messages=[NotificationModel.show(message) for message in details.messages]
    )
