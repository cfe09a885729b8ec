"""The surfaces on the database of a desk: API, console and command line, in this process."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.conftest import HOST, add_token, add_user, make_state
from tests.integration.api.signing_in import add_person
from tests.integration.console.conftest import Browser
from tests.support.apps import borrow_api, borrow_console
from tests.support.keys import keep_keys
from tests.support.stage import Stage
from vestnik.cli.app import run_command_line
from vestnik.domain.users import Role
from vestnik.web.state import WebState


def make_web(engine: AsyncEngine, data_dir: Path) -> WebState:
    """What both processes of the web have, with the keys of the desk."""
    return make_state(engine, keep_keys(data_dir), data_dir)


@asynccontextmanager
async def open_api(
    state: WebState, stage: Stage, email: str = "admin@news.example"
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an administrator."""
    user_id = await add_user(stage, "admin@news.example", Role.ADMIN)
    token = await add_token(stage, user_id)
    with borrow_api(state) as app:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url=HOST,
            headers={"Authorization": f"Bearer {token}"},
        ) as client:
            yield client


@asynccontextmanager
async def open_console(state: WebState, stage: Stage, language: str = "en") -> AsyncIterator[Browser]:
    """A browser in which an administrator is signed in."""
    with borrow_console(state) as console:
        transport = httpx.ASGITransport(app=console, client=("127.0.0.1", 50_000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            browser = Browser(client)
            browser.speak(language)
            answer = await browser.sign_in(await add_person(stage, f"{language}@news.example", Role.ADMIN))
            assert answer.status == 303, answer.text
            yield browser


class Terminal:
    """Runs commands with lines on standard input."""

    def __init__(self, engine: AsyncEngine, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(data_dir)
        monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
        monkeypatch.setenv("VESTNIK_DATA_DIR", str(data_dir))

    async def run(self, *arguments: str, lines: tuple[str, ...] = ()) -> int:
        """The exit code of a command, which runs in a thread beside the worker's loop."""
        typed = "".join(f"{line}\n" for line in lines).encode()
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        return await asyncio.to_thread(run_command_line, arguments)
