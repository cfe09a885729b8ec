"""The whole console in this process on a database of its own, used as a browser does."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.conftest import HOST, make_state
from tests.integration.api.signing_in import PASSWORD, Person, add_person
from tests.integration.console.campaigns import World
from tests.integration.console.passwords import remember_hashes
from tests.support.apps import borrow_console
from tests.support.keys import keep_keys
from tests.support.pages import Page
from tests.support.stage import Stage
from vestnik.console.languages import LANGUAGE_COOKIE
from vestnik.console.visitors import CSRF_FIELD
from vestnik.domain.ids import AccountId
from vestnik.domain.users import Role
from vestnik.web.authentication import make_csrf_token
from vestnik.web.identity import SESSION_COOKIE
from vestnik.web.state import WebState

PART: dict[str, str] = {"HX-Request": "true"}
"""The header with which htmx asks for a part of a page."""


class Browser:
    """Keeps cookies and the last page; redirects are told, not followed."""

    def __init__(self, client: httpx.AsyncClient, person: Person | None = None) -> None:
        self.client = client
        self.person = person
        self.page: Page | None = None
        self.has_scripts = True
        """With them a question is asked by the page itself; here the answer is always yes."""

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Page:
        """A page."""
        return self._keep(await self.client.get(path, headers=headers))

    async def post(
        self,
        path: str,
        /,
        *,
        files: Any = None,
        headers: Any = None,
        **fields: Any,
    ) -> Page:
        """Send a form of the last page; fields are those that somebody fills in.

        `files` are pairs of name and content by field; the others are a text or a list of texts each.
        Hidden ones (csrf_token, request_key, revision …) are those of the last page's form that leads to this
        path, unless they are given. Posting twice without a new page in between is therefore a double click.
        Without such a form only the session's CSRF token goes along, as if somebody had made the request up.
        """
        hidden = self.page.hidden_fields(path) if self.page is not None else {}
        if self.has_scripts:
            hidden.pop("question", None)
        data: dict[str, Any] = {**(hidden or {CSRF_FIELD: self.csrf_token}), **fields}
        answer = await self.client.post(path, data=data, files=files or None, headers=headers)
        return self._keep(answer)

    async def follow(self, answer: Page) -> Page:
        """The page that a redirect leads to."""
        assert answer.status == 303, (answer.status, answer.text)
        return await self.get(answer.location)

    async def submit(self, path: str, /, **fields: Any) -> Page:
        """Send a form and see the page that it leads to; AssertionError where it leads nowhere."""
        return await self.follow(await self.post(path, **fields))

    async def sign_in(self, person: Person, password: str = PASSWORD) -> Page:
        """Through the form, as everybody does."""
        await self.get("/sign-in")
        self.person = person
        return await self.post("/sign-in", email=person.email, password=password)

    @property
    def csrf_token(self) -> str:
        """Of the session."""
        return make_csrf_token(self.client.cookies.get(SESSION_COOKIE) or "")

    def speak(self, language: str) -> None:
        """Choose a language."""
        self.client.cookies.set(LANGUAGE_COOKIE, language, domain="127.0.0.1", path="/")

    def _keep(self, response: httpx.Response) -> Page:
        page = Page(response)
        if page.root.find_all("h1"):  # a whole page; parts and redirects leave the last one on the screen
            self.page = page
        return page


BrowserAs = Callable[..., Awaitable[Browser]]


@pytest.fixture(autouse=True)
def _spare_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    remember_hashes(monkeypatch)


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def web_state(engine: AsyncEngine, tmp_path: Path) -> WebState:
    return make_state(engine, keep_keys(tmp_path), tmp_path)


@pytest.fixture
def console(web_state: WebState) -> Iterator[FastAPI]:
    """The console as a process serves it."""
    with borrow_console(web_state) as console:
        yield console


@pytest.fixture
async def open_browser(console: FastAPI) -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    """Open a browser in which nobody is signed in."""
    async with AsyncExitStack() as clients:

        async def open_one() -> Browser:
            transport = httpx.ASGITransport(
                app=console, client=("127.0.0.1", 50_000), raise_app_exceptions=False
            )
            return Browser(
                await clients.enter_async_context(httpx.AsyncClient(transport=transport, base_url=HOST))
            )

        yield open_one


@pytest.fixture
def browser_as(open_browser: Callable[[], Awaitable[Browser]], stage: Stage) -> BrowserAs:
    """Open a browser in which a new person of a role is signed in."""

    async def open_one(
        role: Role | str = Role.OPERATOR, *, email: str | None = None, language: str = "en"
    ) -> Browser:
        browser = await open_browser()
        browser.speak(language)
        email = email or f"{role.lower()}-{secrets.token_hex(4)}@news.example"
        person = await add_person(stage, email, Role(role))
        answer = await browser.sign_in(person)
        assert answer.status == 303, answer.text
        return browser

    return open_one


@pytest.fixture
async def world(stage: Stage) -> World:
    """Ten channels in a batch, a template, and the account that rehearses."""
    account = await stage.one("SELECT id FROM accounts")
    channels = await stage.add_channels(10)
    await stage.give_peers(AccountId(account.id), channels)
    batch = await stage.one("SELECT id FROM batches")
    template = await stage.one(
        "INSERT INTO templates (name, content, parse_mode)"
        " VALUES ('Morning', '<b>Good morning</b>', 'HTML') RETURNING id"
    )
    return World(
        stage=stage,
        account_id=AccountId(account.id),
        channels=channels,
        batch_id=batch.id,
        template_id=template.id,
    )
