"""The API and the console, made once in a process and lent to one test after the other.

Making one takes a quarter of a second, as its first request builds all routes and pages. Nothing of a test stays
in one: all that it needs is handed in at its start and found in `app.state`.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

from fastapi import FastAPI

from vestnik.api.app import ApiOptions, create_app
from vestnik.api.health import Readiness
from vestnik.api.metrics import ApiMetrics
from vestnik.console.app import create_console
from vestnik.web.state import WebState

_IDLE: defaultdict[Hashable, list[FastAPI]] = defaultdict(list)


@contextmanager
def borrow_api(state: WebState, *, cors_origins: Sequence[str] = ()) -> Iterator[FastAPI]:
    """The API as a process serves it, always ready, with these parts until the block ends."""
    options = ApiOptions(cors_origins=cors_origins)
    with _borrow(
        ("api", *cors_origins), state, lambda: create_app(Readiness(lambda: None), state, options)
    ) as app:
        yield app


@contextmanager
def borrow_console(state: WebState) -> Iterator[FastAPI]:
    """The console as a process serves it, with these parts until the block ends."""
    with _borrow("console", state, lambda: create_console(state)) as app:
        yield app


@contextmanager
def _borrow(kind: Hashable, state: WebState, make: Callable[[], FastAPI]) -> Iterator[FastAPI]:
    idle = _IDLE[kind]
    app = idle.pop() if idle else make()
    app.state.web = state
    if hasattr(app.state, "metrics"):
        app.state.metrics = ApiMetrics(state)
    before = _describe(app)
    yield app
    if _describe(app) == before:  # what a test has changed is not lent again
        del app.state.web
        idle.append(app)


def _describe(app: FastAPI) -> tuple[object, ...]:
    parts = {name: part for name, part in app.state._state.items() if name not in {"web", "metrics"}}
    return (
        parts,
        list(app.routes),
        list(app.user_middleware),
        dict(app.exception_handlers),
        dict(app.dependency_overrides),
    )
