"""The API of one process over real HTTP: what it says of itself."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.api.conftest import make_state
from vestnik.api.app import create_app
from vestnik.api.health import Readiness
from vestnik.api.listener import bind_listener, format_url
from vestnik.api.serving import serve
from vestnik.db.engine import make_engine
from vestnik.db.schema import require_current_schema
from vestnik.db.secrets import KeyRing
from vestnik.domain.errors import ConfigurationError, DatabaseUnavailableError, VestnikError

DEADLINE = 60
NOWHERE = URL.create("postgresql+psycopg", host="127.0.0.1", port=1, database="none")
"""Health asks only what the test answers, never the database."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, object]


@dataclass(frozen=True)
class Client:
    port: int

    async def request(self, path: str, method: str = "GET") -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        raw = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        head, _, body = raw.partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(status=int(status.split()[1]), headers=headers, body=json.loads(body))


@asynccontextmanager
async def run_api(
    check: Callable[[], None], monotonic: Callable[[], float] | None = None
) -> AsyncIterator[Client]:
    readiness = Readiness(check) if monotonic is None else Readiness(check, monotonic=monotonic)
    stop, started = asyncio.Event(), asyncio.Event()
    with bind_listener("127.0.0.1", 0) as listener:
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
            app = create_app(
                readiness, make_state(make_engine(NOWHERE, name="test"), do_not_open, Path("unused"))
            )
            tasks.create_task(serve(app, listener, stop=stop, ready=started.set))
            await started.wait()
            try:
                yield Client(listener.getsockname()[1])
            finally:
                stop.set()


def test_answers_are_not_held_back_until_the_last_one_is_acknowledged() -> None:
    """Regression: 40 ms an answer, because asyncio knows Nagle's algorithm only from the socket's protocol."""
    with bind_listener("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def do_nothing() -> None:
    pass


async def do_not_open(_session: AsyncSession) -> KeyRing:
    raise AssertionError("health needs no key")


async def test_the_process_lives_whatever_the_database_does() -> None:
    def fail() -> None:
        raise DatabaseUnavailableError("no")

    async with run_api(fail) as client:
        answer = await client.request("/healthz")
    assert (answer.status, answer.body["status"]) == (200, "ok")


async def test_it_is_ready_on_a_current_schema(database_url: URL) -> None:
    async with run_api(lambda: require_current_schema(database_url)) as client:
        answer = await client.request("/readyz")
    assert (answer.status, answer.body) == (200, {"status": "ready"})


async def test_it_is_not_ready_on_a_database_without_our_tables(empty_database_url: URL) -> None:
    async with run_api(lambda: require_current_schema(empty_database_url)) as client:
        answer = await client.request("/readyz")
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert answer.body["code"] == "SCHEMA_VERSION"
    assert "vestnik db upgrade" in str(answer.body["detail"])


async def test_it_is_not_ready_on_the_schema_of_a_newer_version(database_url: URL) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    async with run_api(lambda: require_current_schema(database_url)) as client:
        answer = await client.request("/readyz")
    assert (answer.status, answer.body["code"]) == (503, "SCHEMA_VERSION")


async def test_an_unreachable_database_is_not_described_to_strangers(database_url: URL) -> None:
    address = database_url.set(host="127.0.0.1", port=1, password="hidden", query={})
    async with run_api(lambda: require_current_schema(address)) as client:
        answer = await client.request("/readyz")
    assert (answer.status, answer.body["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "5"
    assert "127.0.0.1" not in str(answer.body)


async def test_many_questions_at_once_are_one_look_at_the_database_a_second() -> None:
    looks: list[float] = []
    now = [100.0]
    async with run_api(lambda: looks.append(now[0]), monotonic=lambda: now[0]) as client:
        await asyncio.gather(*(client.request("/readyz") for _ in range(10)))
        await client.request("/readyz")
        assert looks == [100.0]
        now[0] = 101.5
        await client.request("/readyz")
    assert looks == [100.0, 101.5]


async def test_what_does_not_exist_is_a_problem_document() -> None:
    async with run_api(do_nothing) as client:
        missing = await client.request("/nowhere")
        forbidden = await client.request("/healthz", "POST")
    assert (missing.status, missing.body["code"]) == (404, "NOT_FOUND")
    assert (forbidden.status, forbidden.headers["allow"]) == (405, "GET, HEAD")
    assert missing.headers["content-type"] == forbidden.headers["content-type"] == "application/problem+json"


async def test_an_error_that_nobody_foresaw_says_nothing_of_itself() -> None:
    def fail() -> None:
        raise RuntimeError("postgresql://u:hidden@db/x")

    async with run_api(fail) as client:
        answer = await client.request("/readyz")
    assert (answer.status, answer.body["code"]) == (500, "UNEXPECTED")
    assert "hidden" not in str(answer.body)


async def test_an_error_of_ours_without_a_status_is_a_500() -> None:
    def fail() -> None:
        raise VestnikError("hidden")

    async with run_api(fail) as client:
        answer = await client.request("/readyz")
    assert (answer.status, answer.body["code"]) == (500, "ERROR")
    assert "hidden" not in str(answer.body)


def test_a_busy_port_is_named_with_the_cure() -> None:
    with bind_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} .* in use .* --port or PORT"):
            bind_listener("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1 is not an address of this machine"):
        bind_listener("192.0.2.1", 0)


def test_the_address_to_open_is_one_that_a_browser_takes() -> None:
    with bind_listener("0.0.0.0", 0) as listener:
        assert format_url(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
