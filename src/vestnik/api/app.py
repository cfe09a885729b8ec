"""The application: all routes on one screen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from vestnik import __version__
from vestnik.api import (
    account_logins,
    account_syncs,
    accounts,
    alert_destinations,
    alerts,
    audit,
    auth,
    batches,
    campaign_content,
    campaign_events,
    campaign_jobs,
    campaigns,
    channel_lists,
    channel_pictures,
    channels,
    direct_send,
    health,
    media,
    metrics,
    preflights,
    queue,
    templates,
    tokens,
    users,
)
from vestnik.api.docs_page import add_docs_page
from vestnik.api.health import Readiness
from vestnik.api.legacy_ids import LegacyIdTranslator
from vestnik.api.metrics import ApiMetrics
from vestnik.api.openapi import describe_api
from vestnik.domain.media import LARGEST_UPLOAD
from vestnik.web.identity import CSRF_HEADER
from vestnik.web.middleware import (
    REQUEST_ID_HEADER,
    FailureAnswerer,
    HeadAnswerer,
    InputGuard,
    MethodGuard,
    RequestIdentifier,
)
from vestnik.web.problems import answer_unexpected, install_problem_handlers
from vestnik.web.state import WebState, read_state

PREFIX: Final = "/api"
ROUTERS: Final[Sequence[APIRouter]] = (
    auth.router,
    users.router,
    tokens.router,
    channel_lists.router,
    channels.router,
    channel_pictures.router,
    batches.router,
    media.router,
    templates.router,
    campaign_content.router,
    direct_send.router,
    audit.router,
    campaigns.router,
    campaign_jobs.router,
    campaign_events.router,
    preflights.router,
    queue.router,
    accounts.router,
    account_logins.router,
    account_syncs.router,
    alerts.router,
    alert_destinations.router,
)
"""Everything below /api; each route names the role that it is open to."""

BODY_LIMIT: Final = 1024 * 1024
IMPORT_LIMIT: Final = 11 * 1024 * 1024
LIST_LIMIT: Final = 5 * 1024 * 1024
"""100,000 ids."""
BODY_LIMITS: Final = {
    f"{PREFIX}/channels/import": IMPORT_LIMIT,
    f"{PREFIX}/channels": LIST_LIMIT,
    f"{PREFIX}/batches": LIST_LIMIT,
    f"{PREFIX}/media": LARGEST_UPLOAD + BODY_LIMIT,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiOptions:
    """What an operator may set about the API as a whole."""

    cors_origins: Sequence[str] = ()


def create_app(readiness: Readiness, state: WebState, options: ApiOptions = ApiOptions()) -> FastAPI:
    """The API of one process; what it needs is handed in."""
    app = FastAPI(
        title="Vestnik",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=True,
        middleware=_list_middleware(options),
        lifespan=_run_hub,
    )
    app.state.readiness = readiness
    app.state.web = state
    app.state.metrics = ApiMetrics(state)
    install_problem_handlers(app)
    app.include_router(health.router)
    app.include_router(metrics.router)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    describe_api(app, prefix=PREFIX)
    add_docs_page(app, prefix=PREFIX)
    return app


@asynccontextmanager
async def _run_hub(app: FastAPI) -> AsyncIterator[None]:
    async with read_state(app).hub.running():
        yield


def _list_middleware(options: ApiOptions) -> list[Middleware]:
    """From the outside to the inside."""
    found = [Middleware(RequestIdentifier)]
    if options.cors_origins:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(options.cors_origins),
                allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", CSRF_HEADER],
                expose_headers=["ETag", "Location", "Retry-After", REQUEST_ID_HEADER, "Idempotency-Replayed"],
                max_age=600,
            )
        )
    return [
        *found,
        Middleware(HeadAnswerer),
        Middleware(InputGuard, limit=BODY_LIMIT, limits=BODY_LIMITS),
        Middleware(LegacyIdTranslator),
        Middleware(MethodGuard),
        Middleware(FailureAnswerer, answer=answer_unexpected),
    ]
