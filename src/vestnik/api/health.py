"""Whether the process lives, and whether it can work. Neither needs a login, so neither says much."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Final, Literal

import structlog
from fastapi import APIRouter, Request
from pydantic import Field

from vestnik import __version__
from vestnik.api.schemas import ApiModel
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError
from vestnik.web.identity import allow_anyone
from vestnik.web.problems import MEDIA_TYPE

log = structlog.get_logger(__name__)

_FRESH_SECONDS: Final = 1.0
CHECK_LIMIT_SECONDS: Final = 5.5
"""An answer comes within 6 s even when the database's host swallows packets."""

router = APIRouter(tags=["health"])


class HealthView(ApiModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: Annotated[str, Field(description="Of Vestnik.", examples=["1.0.0"])]


class ReadinessView(ApiModel):
    """The process can work."""

    status: Literal["ready"] = "ready"


class Readiness:
    """Asks whether the process can work, at most once a second and once at a time however many want to know.

    `check` blocks and raises VestnikError when it cannot; it runs in a thread.
    """

    def __init__(self, check: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._monotonic = monotonic
        self._running: asyncio.Task[VestnikError | None] | None = None
        self._checked_at = float("-inf")

    async def require(self) -> None:
        """Raise what the newest check raised, if it did."""
        task = self._running
        if task is None or (task.done() and self._monotonic() - self._checked_at >= _FRESH_SECONDS):
            task = self._running = asyncio.create_task(self._run_check())
        # One caller that goes away must not take the check from the others.
        error = await asyncio.shield(task)
        if error is not None:
            raise error

    async def _run_check(self) -> VestnikError | None:
        try:
            async with asyncio.timeout(CHECK_LIMIT_SECONDS):
                await asyncio.to_thread(self._check)
        except VestnikError as exc:
            log.warning("api.not_ready", code=exc.code, reason=exc.message)
            return exc
        except TimeoutError:
            log.warning("api.not_ready", code=DatabaseUnavailableError.code, reason="no answer in time")
            return DatabaseUnavailableError("the database does not answer")
        finally:
            self._checked_at = self._monotonic()
        return None


@router.get("/healthz", **allow_anyone())
async def show_health() -> HealthView:
    """The process lives."""
    return HealthView(version=__version__)


@router.get(
    "/readyz", responses={503: {"description": "It cannot", "content": {MEDIA_TYPE: {}}}}, **allow_anyone()
)
async def show_readiness(request: Request) -> ReadinessView:
    """The process can work: the database answers and its schema is the one needed."""
    readiness: Readiness = request.app.state.readiness
    await readiness.require()
    return ReadinessView()
