"""System: the queue, the workers and the database, and what is wrong with them."""

import platform
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.alert_words import describe_alerts, is_of_campaign
from vestnik.console.visitors import Visiting, open_to
from vestnik.domain.alerts import AlertRules
from vestnik.domain.users import Role
from vestnik.services.alerts import Alert, list_alerts
from vestnik.services.queue import ALIVE_FOR, QueueStats, WorkerStanding, read_queue_stats
from vestnik.services.system import DatabaseStanding, read_database
from vestnik.web.state import read_state

router = APIRouter(prefix="/system")

CROWDED = 0.9
"""The part of the server's connections from which on new ones may be refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemView:
    """Everything that the page shows, read at one moment."""

    stats: QueueStats
    alerts: list[Alert]
    database: DatabaseStanding


@router.get("", **open_to(Role.VIEWER))
async def show_system(visitor: Visiting) -> Response:
    """The whole system; viewers do not see on which machines it runs."""
    state = read_state(visitor.request.app)
    view = await visitor.read(lambda session: _read(session, state.alert_rules))
    return visitor.render(
        "system/page.html",
        view=view,
        alerts=describe_alerts(visitor, [alert for alert in view.alerts if not is_of_campaign(alert)]),
        is_alive=is_alive,
        is_embedded=state.installation.is_database_embedded,
        is_crowded=view.database.connections >= CROWDED * view.database.most_connections,
        python_version=platform.python_version(),
    )


async def _read(session: AsyncSession, rules: AlertRules) -> SystemView:
    stats = await read_queue_stats(session)
    return SystemView(
        stats=stats, alerts=await list_alerts(session, rules), database=await read_database(session)
    )


def is_alive(worker: WorkerStanding) -> bool:
    """Whether it has said so lately."""
    return worker.silent_for < ALIVE_FOR
