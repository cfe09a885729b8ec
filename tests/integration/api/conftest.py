"""The whole API in this process on a database of its own, asked over HTTP."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.apps import borrow_api
from tests.support.keys import keep_keys
from tests.support.stage import Stage
from vestnik.alerting.delivery import Channels
from vestnik.alerting.trial import AlertTrial
from vestnik.bootstrap import read_given_session_key, read_session_key
from vestnik.console.alert_words import make_writer
from vestnik.db.media_files import LocalMediaStore
from vestnik.db.secrets import OpenKeys, StoredKeys
from vestnik.domain.users import Role
from vestnik.services.account_sessions import AccountSetup
from vestnik.services.campaigns import read_progress
from vestnik.web.authentication import StoredIdentities
from vestnik.web.database import Database, Limits
from vestnik.web.hub import ProgressHub
from vestnik.web.state import WebState
from vestnik.web.throttle import Throttle

HOST = "http://127.0.0.1:3000"
ALLOWED_ORIGIN = "https://console.example"

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def app(engine: AsyncEngine, tmp_path: Path) -> Iterator[FastAPI]:
    """The application as a process serves it; CORS allows ALLOWED_ORIGIN."""
    state = make_state(engine, keep_keys(tmp_path), tmp_path)
    with borrow_api(state, cors_origins=[ALLOWED_ORIGIN]) as app:
        yield app


PATIENT = Limits(short=60.0, ask_after=30.0, ask=20.0)
"""For all tests but those of the limits: a machine that stands still is no database that is away."""


def make_state(
    engine: AsyncEngine, open_keys: OpenKeys, data_dir: Path, limits: Limits = PATIENT
) -> WebState:
    """The parts that routes need, the real ones."""
    database = Database(engine, limits)
    identities = StoredIdentities(database)
    return WebState(
        database=database,
        hub=ProgressHub(
            lambda ids: database.look(lambda session: read_progress(session, ids)), identities.admit
        ),
        authenticator=identities,
        throttle=Throttle(1_000, burst=10_000),
        open_keys=open_keys,
        account_setup=AccountSetup(
            open_keys=open_keys,
            read_key=read_session_key,
            read_given_key=read_given_session_key,
            api_id=7,
            api_hash="0123456789abcdef",
        ),
        media=LocalMediaStore(data_dir),
        origins=frozenset({ALLOWED_ORIGIN}),
        alert_trial=AlertTrial(
            Channels(
                engine=database.engine,
                read_keys=partial(StoredKeys(None, data_dir).open_ring, "alert_destinations"),
                open_keys=open_keys,
                write=make_writer(UTC),
                allows_private=True,
            )
        ),
    )


@pytest.fixture
async def connect(app: FastAPI) -> AsyncIterator[Callable[..., Awaitable[httpx.AsyncClient]]]:
    """Open a client of nobody; `address` is where it comes from, further arguments are httpx's."""
    async with AsyncExitStack() as clients:

        async def open_client(*, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=app, client=(address, 50_000), raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, **{"base_url": HOST, **options})
            return await clients.enter_async_context(client)

        yield open_client


@pytest.fixture
async def anonymous(connect: Callable[..., Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    """A client without a token."""
    return await connect()


@pytest.fixture
def client_as(connect: Callable[..., Awaitable[httpx.AsyncClient]], stage: Stage) -> ClientAs:
    """Open a client with the token of a new person of a role."""

    async def open_client(
        role: Role | str, *, scope: str = "FULL", email: str | None = None
    ) -> httpx.AsyncClient:
        email = email or f"{role.lower()}-{secrets.token_hex(4)}@news.example"
        user_id = await add_user(stage, email, role)
        token = await add_token(stage, user_id, scope=scope)
        return await connect(headers={"Authorization": f"Bearer {token}"})

    return open_client


async def add_user(stage: Stage, email: str, role: Role | str) -> UUID:
    """A person without a password."""
    row = await stage.one(
        "INSERT INTO users (email, role) VALUES (:email, :role) RETURNING id", email=email, role=str(role)
    )
    user_id: UUID = row.id
    return user_id


async def add_token(stage: Stage, user_id: UUID, *, scope: str = "FULL", name: str = "test") -> str:
    """A token as `vestnik token create` stores it; its text."""
    token = "vst_" + secrets.token_urlsafe(32)
    await stage.execute(
        "INSERT INTO api_tokens (user_id, name, token_hash, hint, scope)"
        " VALUES (:user_id, :name, :hash, :hint, :scope)",
        user_id=user_id,
        name=name,
        hash=hashlib.sha256(token.encode()).digest(),
        hint=token[-4:],
        scope=scope,
    )
    return token
