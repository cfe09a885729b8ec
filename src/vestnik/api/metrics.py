"""The process and the whole installation in figures, for Prometheus; the worker tells of the posting itself."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, TypeVar

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from vestnik.db.engine import measure_pool
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError
from vestnik.domain.users import Role
from vestnik.metrics import catalogue
from vestnik.metrics.catalogue import Process
from vestnik.metrics.registry import (
    CONTENT_TYPE,
    CurrentFigures,
    Family,
    make_family,
    make_registry,
    render,
    show_pool,
)
from vestnik.services.metrics import (
    ChannelFigures,
    InstallationFigures,
    read_channel_figures,
    read_installation_figures,
)
from vestnik.web.identity import Bearer, Cookie, allow, identify, require_role
from vestnik.web.state import WebState

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 5.0
CHANNELS_FRESH_SECONDS: Final = 60.0
READ_SECONDS: Final = 3.0
CHANNELS_READ_SECONDS: Final = 5.0
"""Some 0.7 s for half a million channels; only the first scraper waits for it."""
ASK_SECONDS: Final = 2.0
"""How long it is asked who scrapes. Together an answer comes within 8 s; Prometheus waits 10."""
REMEMBERED_SECONDS: Final = 3600.0
MOST_REMEMBERED: Final = 100

Figures = TypeVar("Figures")
Clock = Callable[[], float]

router = APIRouter(tags=["metrics"])


class FreshFigures(Generic[Figures]):
    """Reads once every so often and once at a time, however many ask; None when it cannot be read.

    With `is_patient` the figures of before are given out while new ones are being read.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Figures]],
        *,
        fresh_for: float,
        limit: float = READ_SECONDS,
        is_patient: bool = False,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._read = read
        self._fresh_for = fresh_for
        self._limit = limit
        self._is_patient = is_patient
        self._last: Figures | None = None
        self._monotonic = monotonic
        self._running: asyncio.Task[Figures | None] | None = None
        self._read_at = float("-inf")

    async def get(self) -> Figures | None:
        """The newest, at most `fresh_for` seconds old, or as much older as reading takes."""
        task = self._running
        if task is None or (task.done() and self._monotonic() - self._read_at >= self._fresh_for):
            task = self._running = asyncio.create_task(self._run())
        if self._is_patient and self._last is not None and not task.done():
            return self._last
        # One scraper that goes away must not take the figures from the others.
        return await asyncio.shield(task)

    async def _run(self) -> Figures | None:
        figures = None
        try:
            async with asyncio.timeout(self._limit):
                figures = await self._read()
        except VestnikError as exc:
            log.warning("metrics.not_read", code=exc.code, reason=exc.message)
        except TimeoutError:
            log.warning("metrics.not_read", code=DatabaseUnavailableError.code, reason="no answer in time")
        finally:
            self._read_at = self._monotonic()
            self._last = figures
        return figures


class ApiMetrics:
    """The metrics of one API process, and who was let in to see them."""

    def __init__(self, state: WebState) -> None:
        self._state = state
        self._installation = FreshFigures(self._read_installation, fresh_for=FRESH_SECONDS)
        self._channels = FreshFigures(
            self._read_channels,
            fresh_for=CHANNELS_FRESH_SECONDS,
            limit=CHANNELS_READ_SECONDS,
            is_patient=True,
        )
        self._shown: tuple[InstallationFigures | None, ChannelFigures | None] = (None, None)
        self._registry = make_registry(Process.API)
        self._registry.register(CurrentFigures(self._show))
        self.admitted = Admitted()

    async def render(self) -> bytes:
        """All of it as text. Without a database it is what the process itself knows."""
        shown = await asyncio.gather(self._installation.get(), self._channels.get())
        self._shown = shown  # until the text is made nothing else runs
        return render(self._registry)

    async def _read_installation(self) -> InstallationFigures:
        return await self._state.database.run(read_installation_figures)

    async def _read_channels(self) -> ChannelFigures:
        return await self._state.database.run(read_channel_figures)

    def _show(self) -> Iterator[Family]:
        installation, channels = self._shown
        yield make_family(catalogue.DATABASE_UP, {(): float(installation is not None)})
        yield from show_pool(measure_pool(self._state.database.engine))
        yield make_family(catalogue.SSE_LISTENERS, {(): self._state.hub.listeners})
        if installation is None:
            return  # channels of a minute ago would look as if all were well
        yield from _show_installation(installation)
        if channels is not None:
            yield make_family(catalogue.CHANNELS, channels.channels)
            yield make_family(catalogue.CHANNEL_STOPS, channels.stops)


def _show_installation(figures: InstallationFigures) -> Iterator[Family]:
    yield make_family(catalogue.JOBS, figures.jobs)
    yield make_family(catalogue.CAMPAIGNS, figures.campaigns)
    yield make_family(catalogue.CAMPAIGNS_PAUSED, figures.campaigns_paused)
    yield make_family(catalogue.CAMPAIGNS_DUE, figures.campaigns_due)
    yield make_family(catalogue.QUEUE_AGE, figures.queue_age)
    yield make_family(catalogue.OLDEST_SENDING, {(): figures.oldest_sending})
    yield make_family(catalogue.ACCOUNTS, figures.accounts)
    yield make_family(catalogue.ACCOUNTS_HELD, figures.accounts_held)
    yield make_family(catalogue.HOLD_REMAINING, figures.hold_remaining)
    yield make_family(catalogue.ALERTS, figures.alerts)
    yield make_family(catalogue.WORKERS, {(): figures.workers})


class Admitted:
    """Tokens that were good a while ago, as digests: while the database is away, they still see that it is.

    What they are shown then is what the process knows of itself.
    """

    def __init__(self, *, monotonic: Clock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._good_at: dict[bytes, float] = {}

    def remember(self, token: str) -> None:
        """It is good now."""
        digest = _digest(token)
        self._good_at.pop(digest, None)
        self._good_at[digest] = self._monotonic()
        if len(self._good_at) > MOST_REMEMBERED:
            del self._good_at[next(iter(self._good_at))]

    def forget(self, token: str) -> None:
        """It is good no more."""
        self._good_at.pop(_digest(token), None)

    def knows(self, token: str) -> bool:
        """Whether it was good within the last hour."""
        good_at = self._good_at.get(_digest(token), float("-inf"))
        return self._monotonic() - good_at < REMEMBERED_SECONDS


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


async def require_scraper(request: Request, bearer: Bearer, cookie: Cookie) -> None:
    """Let in whoever may read; without a database whoever could a while ago. Raises as `RoleGuard` does."""
    admitted = _read_metrics(request).admitted
    token = None if bearer is None else bearer.credentials
    try:
        async with asyncio.timeout(ASK_SECONDS):
            identity = await identify(request, bearer, cookie)
        require_role(identity, Role.VIEWER)
    except (DatabaseUnavailableError, TimeoutError) as exc:
        if token is None or not admitted.knows(token):
            raise DatabaseUnavailableError("the database does not answer, so nobody can be let in") from exc
    except VestnikError:
        if token is not None:
            admitted.forget(token)
        raise
    else:
        if token is not None:
            admitted.remember(token)


def _read_metrics(request: Request) -> ApiMetrics:
    metrics: ApiMetrics = request.app.state.metrics
    return metrics


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    **allow(Role.VIEWER, guard=require_scraper),
)
async def show_metrics(request: Request) -> Response:
    """The installation and this process in figures, in Prometheus' text format."""
    return Response(await _read_metrics(request).render(), media_type=CONTENT_TYPE)
