"""Alerts: what goes on, what was, and what became of the messages about it."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from vestnik.console.alert_words import describe_alerts
from vestnik.console.marking import mark
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor
from vestnik.console.visitors import Visiting, open_to
from vestnik.domain.alerts import AlertState, DestinationKind, NotificationStatus, Occasion
from vestnik.domain.users import Role
from vestnik.services import alert_destinations, alert_records
from vestnik.services.alert_records import AlertFilter

router = APIRouter(prefix="/alerts")

LARGEST_ID: Final = 2**63 - 1
KINDS: Final = {
    DestinationKind.WEBHOOK: mark("Webhook"),
    DestinationKind.EMAIL: mark("E-mail"),
    DestinationKind.TELEGRAM: mark("Telegram channel or group"),
}
OCCASIONS: Final = {
    Occasion.FIRING: mark("That it began"),
    Occasion.REPEAT: mark("That it goes on"),
    Occasion.RESOLVED: mark("That it is over"),
}
STATUSES: Final = {
    NotificationStatus.PENDING: (mark("Waiting"), "warn"),
    NotificationStatus.SENT: (mark("Delivered"), "good"),
    NotificationStatus.FAILED: (mark("Given up"), "bad"),
    NotificationStatus.DROPPED: (mark("Not needed any more"), "quiet"),
}
"""With the tone in which each is shown."""


@router.get("", **open_to(Role.VIEWER))
async def list_alerts(visitor: Visiting) -> Response:
    """The newest first; administrators also see who is told."""
    cursor = read_cursor(visitor.request, (int,))
    only_firing = visitor.request.query_params.get("state") == AlertState.FIRING
    found = await visitor.read(
        lambda session: alert_records.list_records(
            session,
            AlertFilter(state=AlertState.FIRING if only_firing else None),
            limit=PAGE_SIZE + 1,
            before_id=None if cursor is None else cursor[0],
            shows_machines=visitor.may(Role.OPERATOR),
        )
    )
    destinations = await visitor.read(alert_destinations.list_destinations)
    page = make_page(visitor.request, found, lambda alert: [alert.id])
    return visitor.render(
        "alerts/list.html",
        page=page,
        shown=describe_alerts(visitor, [view.alert for view in page.rows]),
        only_firing=only_firing,
        destinations=destinations if visitor.may(Role.ADMIN) else [],
        has_destination=any(destination.is_active for destination in destinations),
        kinds=KINDS,
    )


@router.get("/{alert_id}", **open_to(Role.VIEWER))
async def show_alert(visitor: Visiting, alert_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]) -> Response:
    """One alert with the messages about it."""
    details = await visitor.read(
        lambda session: alert_records.get_alert(session, alert_id, shows_machines=visitor.may(Role.OPERATOR))
    )
    return visitor.render(
        "alerts/detail.html",
        view=details.view,
        messages=details.messages,
        shown=describe_alerts(visitor, [details.view.alert])[0],
        kinds=KINDS,
        occasions=OCCASIONS,
        statuses=STATUSES,
    )
