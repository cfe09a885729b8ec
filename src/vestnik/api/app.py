"""The application: all routes on one screen."""

from fastapi import FastAPI

from vestnik import __version__
from vestnik.api import health
from vestnik.api.health import Readiness
from vestnik.api.problems import install_problem_handlers


def create_app(readiness: Readiness) -> FastAPI:
    """The API of one process; what it needs is handed in."""
    app = FastAPI(title="Vestnik", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.readiness = readiness
    install_problem_handlers(app)
    app.include_router(health.router)
    return app
