"""The console of one process: the whole map of its pages, and what every answer of it carries."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from vestnik.console import (
    account_logins,
    account_syncs,
    accounts,
    alert_destinations,
    alerts,
    audit,
    batch_channels,
    batches,
    campaign_actions,
    campaign_edit,
    campaign_wizard,
    campaigns,
    channel_imports,
    channels,
    direct_send,
    live,
    overview,
    password,
    preferences,
    preflights,
    settings,
    setup,
    sign_in,
    system,
    template_forms,
    templates,
    tokens,
    users,
)
from vestnik.console.failures import install_failure_pages, refuse_with_page, show_unexpected
from vestnik.console.policy import PagePolicy
from vestnik.console.rendering import STATIC_PATH, Renderer
from vestnik.console.static_files import HashedFiles
from vestnik.web.middleware import FailureAnswerer, InputGuard, RequestIdentifier
from vestnik.web.state import WebState

ROUTERS: Final[Sequence[APIRouter]] = (
    sign_in.router,
    password.router,
    preferences.router,
    live.router,
    account_syncs.router,
    channel_imports.router,
    channels.router,
    batch_channels.router,
    campaign_wizard.router,
    campaign_edit.router,
    preflights.router,
    campaign_actions.router,
    campaigns.router,
    batches.router,
    users.router,
    tokens.router,
    audit.router,
    account_logins.router,
    accounts.router,
    alert_destinations.router,
    alerts.router,
    overview.router,
    settings.router,
    setup.router,
    system.router,
    template_forms.router,
    templates.router,
    direct_send.router,
)
"""Every page; each names the role that it is open to."""

BODY_LIMIT: Final = 1024 * 1024
FILE_LIMIT: Final = 12 * 1024 * 1024
BODY_LIMITS: Final = dict.fromkeys(
    ("/channels/import", "/templates", "/batches", "/send", "/campaigns"), FILE_LIMIT
)


def create_console(state: WebState) -> FastAPI:
    """The pages of one process; what they need is handed in."""
    app = FastAPI(
        title="Vestnik",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(RequestIdentifier),
            Middleware(PagePolicy),
            Middleware(GZipMiddleware, minimum_size=1024),
            Middleware(InputGuard, limit=BODY_LIMIT, limits=BODY_LIMITS, refuse=refuse_with_page),
            Middleware(FailureAnswerer, answer=show_unexpected),
        ],
    )
    app.state.web = state
    app.state.renderer = Renderer()
    install_failure_pages(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount(STATIC_PATH, HashedFiles(directory=Path(str(files("vestnik.console") / "static"))))
    return app
