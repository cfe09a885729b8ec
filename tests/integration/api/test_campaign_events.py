"""Live progress through a real server: what listeners get, when, and what they cost."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import URL

from tests.integration.api.conftest import add_token, add_user
from tests.integration.api.signing_in import add_person, sign_in
from tests.support.stage import Stage
from vestnik.api import campaign_events
from vestnik.api.listener import bind_listener, format_url
from vestnik.api.serving import serve
from vestnik.db.listener import Listener
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role
from vestnik.services.campaign_views import StandingView
from vestnik.services.campaigns import read_progress
from vestnik.web.authentication import StoredIdentities
from vestnik.web.database import Database
from vestnik.web.hub import ProgressHub
from vestnik.web.state import read_state

DEADLINE = 45.0


@dataclass
class Reads:
    """The hub's reads, counted; `is_away` makes them fail as a database that is away does."""

    database: Database
    asked: list[Sequence[CampaignId]] = field(default_factory=list)
    is_away: bool = False

    async def __call__(self, ids: Sequence[CampaignId]) -> Mapping[CampaignId, StandingView]:
        self.asked.append(ids)
        if self.is_away:
            raise DatabaseUnavailableError("away")
        return await self.database.run(lambda session: read_progress(session, ids))


@dataclass
class Event:
    name: str = ""
    data: Any = None
    id: str | None = None


class Stream:
    """The events of one answer, as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self.retry: str | None = None
        self._lines = answer.aiter_lines()

    async def next(self, within: float = DEADLINE) -> Event:
        async with asyncio.timeout(within):
            event = Event()
            async for line in self._lines:
                if not line and event.name:
                    return event
                self._read(line, event)
        raise EOFError

    def _read(self, line: str, event: Event) -> None:
        name, _, value = line.partition(": ")
        if name == "event":
            event.name = value
        elif name == "data":
            event.data = json.loads(value)
        elif name == "id":
            event.id = value
        elif name == "retry":
            self.retry = value
        elif line.startswith(":"):
            self.comments.append(value)

    async def end(self) -> None:
        """Wait until the server ends it."""
        async with asyncio.timeout(DEADLINE):
            with suppress(EOFError):
                while True:
                    await self.next()


@dataclass
class Admissions:
    """Who the hub asks about, counted."""

    identities: StoredIdentities
    asked: list[Collection[UUID]] = field(default_factory=list)

    async def __call__(self, ids: Collection[UUID]) -> Collection[UUID]:
        self.asked.append(ids)
        return await self.identities.admit(ids)


Follow = Callable[..., Any]


@pytest.fixture
def reads(app: FastAPI) -> Reads:
    return Reads(read_state(app).database)


@pytest.fixture
def admissions(app: FastAPI) -> Admissions:
    return Admissions(StoredIdentities(read_state(app).database))


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def hub(app: FastAPI, reads: Reads, admissions: Admissions) -> ProgressHub:
    """The application's hub, with counted reads and no notifications."""
    hub = ProgressHub(reads, admissions)
    app.state.web = replace(read_state(app), hub=hub)
    return hub


@asynccontextmanager
async def serving(app: FastAPI, hub: ProgressHub, stop: asyncio.Event) -> AsyncIterator[str]:
    ready = asyncio.Event()
    listener = bind_listener("127.0.0.1", 0)
    task = asyncio.create_task(serve(app, listener, stop=stop, ready=ready.set, on_stopping=hub.close))
    async with asyncio.timeout(DEADLINE):
        await ready.wait()
    try:
        yield format_url(listener)
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE):
            await task


@pytest.fixture
async def address(app: FastAPI, hub: ProgressHub, stop: asyncio.Event) -> AsyncIterator[str]:
    async with serving(app, hub, stop) as address:
        yield address


@pytest.fixture
async def token(stage: Stage) -> str:
    return await add_token(stage, await add_user(stage, "viewer@news.example", Role.VIEWER))


@pytest.fixture
async def follow(address: str, token: str) -> AsyncIterator[Callable[..., Awaitable[Stream]]]:
    """Open a stream of events; all are closed at the end."""
    async with AsyncExitStack() as opened:
        client = await opened.enter_async_context(
            httpx.AsyncClient(
                base_url=address,
                timeout=DEADLINE,
                limits=httpx.Limits(max_connections=None),
                headers={"Authorization": f"Bearer {token}"},
            )
        )

        async def open_stream(path: str, **headers: str) -> Stream:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await opened.enter_async_context(client.stream("GET", path, headers=named))
            assert answer.status_code == 200, await answer.aread()
            return Stream(answer)

        yield open_stream


@pytest.fixture
async def campaign_id(stage: Stage) -> CampaignId:
    await stage.add_channels(5)
    return await stage.add_campaign(await stage.add_account())


def path_of(*campaign_ids: CampaignId) -> str:
    if len(campaign_ids) == 1:
        return f"/api/campaigns/{campaign_ids[0]}/events"
    return "/api/events?" + "&".join(f"campaignIds={campaign_id}" for campaign_id in campaign_ids)


async def send_one(stage: Stage, campaign_id: CampaignId) -> None:
    await stage.execute(
        "UPDATE campaign_progress SET queued = queued - 1, sent = sent + 1, version = version + 1"
        " WHERE campaign_id = :id",
        id=campaign_id,
    )


@pytest.mark.timed
async def test_a_listener_gets_the_state_at_once_and_changes_within_a_second(
    follow: Follow, stage: Stage, campaign_id: CampaignId
) -> None:
    stream = await follow(path_of(campaign_id))
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    first = await stream.next()
    assert (first.name, first.data["campaignId"], first.data["status"]) == (
        "progress",
        str(campaign_id),
        "RUNNING",
    )
    assert (first.data["total"], first.data["queued"]) == (5, 5)
    assert first.id.split(".")[0] == str(first.data["version"])
    assert stream.retry == "2000"
    started_at = time.monotonic()
    await send_one(stage, campaign_id)
    second = await stream.next()
    assert time.monotonic() - started_at < 1
    assert (second.data["sent"], second.data["version"]) == (1, first.data["version"] + 1)


async def test_a_change_of_status_is_an_event_though_no_counter_changed(
    follow: Follow, stage: Stage, campaign_id: CampaignId
) -> None:
    stream = await follow(path_of(campaign_id))
    first = await stream.next()
    await stage.pause(campaign_id)
    paused = await stream.next()
    assert (paused.data["status"], paused.data["pauseReason"]) == ("PAUSED", "OPERATOR")
    assert paused.data["version"] == first.data["version"]
    assert paused.id != first.id


async def test_who_comes_back_gets_nothing_old_and_nothing_twice(
    follow: Follow, stage: Stage, campaign_id: CampaignId
) -> None:
    first = await (await follow(path_of(campaign_id))).next()
    again = await follow(path_of(campaign_id), Last_Event_ID=first.id)
    with pytest.raises(TimeoutError):
        await again.next(within=1.5)
    late = await follow(path_of(campaign_id), Last_Event_ID=first.id)
    await send_one(stage, campaign_id)
    assert (await late.next()).data["sent"] == 1
    missed = await follow(path_of(campaign_id), Last_Event_ID=first.id)
    assert (await missed.next()).data["sent"] == 1


async def test_one_stream_follows_several_campaigns(
    follow: Follow, stage: Stage, campaign_id: CampaignId
) -> None:
    other = await stage.add_campaign(await stage.add_account())
    stream = await follow(path_of(campaign_id, other))
    events = [await stream.next(), await stream.next()]
    assert {event.data["campaignId"] for event in events} == {str(campaign_id), str(other)}
    assert (events[0].id, events[1].id is None) == (None, False)
    again = await follow(path_of(other, campaign_id), Last_Event_ID=events[1].id)
    await send_one(stage, other)
    assert (await again.next()).data["campaignId"] == str(other)


async def test_a_deleted_campaign_is_told_and_ends_its_stream(
    follow: Follow, stage: Stage, campaign_id: CampaignId
) -> None:
    stream = await follow(path_of(campaign_id))
    await stream.next()
    await stage.execute("DELETE FROM jobs")
    await stage.execute("DELETE FROM campaigns")
    event = await stream.next()
    assert (event.name, event.data) == ("deleted", {"campaignId": str(campaign_id)})
    await stream.end()


@pytest.mark.timed
async def test_fifty_listeners_cost_one_read_and_none_costs_nothing(
    address: str, follow: Follow, reads: Reads, campaign_id: CampaignId, token: str, hub: ProgressHub
) -> None:
    async with AsyncExitStack() as opened:
        client = await opened.enter_async_context(
            httpx.AsyncClient(
                base_url=address,
                timeout=DEADLINE,
                limits=httpx.Limits(max_connections=None),
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        streams = [
            Stream(await opened.enter_async_context(client.stream("GET", path_of(campaign_id))))
            for _ in range(50)
        ]
        await asyncio.gather(*(stream.next() for stream in streams))
        begun, started_at = len(reads.asked), time.monotonic()
        await wait_until(lambda: len(reads.asked) >= begun + 4)
        elapsed = time.monotonic() - started_at
        assert len(reads.asked) - begun <= elapsed / 0.5 + 2
        assert set(map(tuple, reads.asked)) == {(campaign_id,)}
    await wait_until(lambda: not hub._watchers)
    ended = len(reads.asked)
    with pytest.raises(TimeoutError):
        await wait_until(lambda: len(reads.asked) > ended + 1, within=1.5)


async def wait_until(is_so: Callable[[], bool], within: float = DEADLINE) -> None:
    async with asyncio.timeout(within):
        while not is_so():  # noqa: ASYNC110 - the deadline is the caller's
            await asyncio.sleep(0.01)


async def test_while_the_database_is_away_listeners_stay_and_go_on_afterwards(
    follow: Follow, stage: Stage, campaign_id: CampaignId, reads: Reads
) -> None:
    stream = await follow(path_of(campaign_id))
    await stream.next()
    reads.is_away = True
    assert (await stream.next()).name == "offline"
    await send_one(stage, campaign_id)
    reads.is_away = False
    assert (await stream.next()).data["sent"] == 1


async def test_a_quiet_stream_is_kept_alive_until_its_token_is_revoked(
    follow: Follow, stage: Stage, campaign_id: CampaignId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_events, "HEARTBEAT_SECONDS", 0.2)
    stream = await follow(path_of(campaign_id))
    await stream.next()
    reading = asyncio.create_task(stream.end())
    await wait_until(lambda: len(stream.comments) >= 2)
    assert not reading.done()
    await stage.execute("UPDATE api_tokens SET revoked_at = now()")
    await reading


@pytest.mark.timed
@pytest.mark.parametrize("change", ["users SET is_active = false", "api_tokens SET expires_at = now()"])
async def test_who_may_not_listen_any_more_hears_nothing_after_two_seconds(
    follow: Follow, stage: Stage, campaign_id: CampaignId, admissions: Admissions, change: str
) -> None:
    other = await add_token(stage, await add_user(stage, "other@news.example", Role.VIEWER))
    streams = [await follow(path_of(campaign_id)) for _ in range(10)]
    stays = await follow(path_of(campaign_id), Authorization=f"Bearer {other}")
    for stream in (*streams, stays):
        await stream.next()
    theirs = "(SELECT id FROM users WHERE email = 'viewer@news.example')"
    key = "id" if change.startswith("users") else "user_id"
    await stage.execute(f"UPDATE {change} WHERE {key} = {theirs}")
    changed_at, asked = time.monotonic(), len(admissions.asked)
    await asyncio.gather(*(stream.end() for stream in streams))
    assert time.monotonic() - changed_at < 3  # 2 s, and some patience with the machine
    assert len(admissions.asked) - asked <= 2  # of all in one question
    await send_one(stage, campaign_id)
    assert (await stays.next()).data["sent"] == 1


@pytest.fixture
async def browser(
    app: FastAPI, hub: ProgressHub, stage: Stage, campaign_id: CampaignId
) -> AsyncIterator[Stream]:
    """What a signed-in browser follows."""
    await add_person(stage, "editor@news.example")
    async with (
        serving(app, hub, asyncio.Event()) as address,
        httpx.AsyncClient(base_url=address, timeout=DEADLINE) as client,
    ):
        await sign_in(client, "editor@news.example")
        async with client.stream("GET", path_of(campaign_id)) as answer:
            stream = Stream(answer)
            await stream.next()
            yield stream


async def test_a_browsers_stream_ends_with_its_session(browser: Stream, stage: Stage) -> None:
    await stage.execute("DELETE FROM sessions")
    await browser.end()


@pytest.mark.usefixtures("browser")
async def test_a_stream_keeps_its_session_from_ending(stage: Stage) -> None:
    await stage.execute("UPDATE sessions SET last_seen_at = now() - interval '11 hours'")
    async with asyncio.timeout(DEADLINE):
        while not await stage.execute(  # noqa: ASYNC110 - no event for it
            "SELECT 1 FROM sessions WHERE last_seen_at > now() - interval '1 hour'"
        ):
            await asyncio.sleep(0.05)


async def test_head_of_a_stream_ends_after_the_headers(
    address: str, token: str, campaign_id: CampaignId, hub: ProgressHub
) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=DEADLINE) as client:
        answer = await client.head(path_of(campaign_id), headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Type"].startswith("text/event-stream")
    # The client has its answer a moment before the stream is closed.
    await wait_until(lambda: not hub._watchers)


@pytest.mark.timed
async def test_stopping_the_server_ends_the_streams_at_once(
    follow: Follow, campaign_id: CampaignId, stop: asyncio.Event
) -> None:
    stream = await follow(path_of(campaign_id))
    await stream.next()
    started_at = time.monotonic()
    stop.set()
    await stream.end()
    assert time.monotonic() - started_at < 2


async def test_notifications_only_shorten_the_wait(
    app: FastAPI,
    stage: Stage,
    campaign_id: CampaignId,
    database_url: URL,
    reads: Reads,
    admissions: Admissions,
    token: str,
) -> None:
    hub = ProgressHub(
        reads,
        admissions,
        wake_source=lambda wake: Listener(database_url, lambda _account_id: wake()).run(),
        poll_seconds=60,
    )
    app.state.web = replace(read_state(app), hub=hub)
    async with (
        serving(app, hub, asyncio.Event()) as address,
        httpx.AsyncClient(
            base_url=address, timeout=DEADLINE, headers={"Authorization": f"Bearer {token}"}
        ) as client,
        client.stream("GET", path_of(campaign_id)) as answer,
        client.stream("GET", path_of(campaign_id)) as other,
    ):
        stream = Stream(answer)
        await stream.next()
        await Stream(other).next()
        async with asyncio.timeout(DEADLINE):
            while not await count_listeners(stage):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await wait_until(lambda: len(reads.asked) >= 2)  # the connection itself is a wake-up
        await stage.pause(campaign_id)
        assert (await stream.next(within=1)).data["status"] == "PAUSED"
        assert await count_listeners(stage) == 1
    assert len(reads.asked) < 10


async def count_listeners(stage: Stage) -> int:
    row = await stage.one(
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE application_name = 'vestnik-listener' AND datname = current_database()"
    )
    return int(row.n)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("?campaignIds=7", 422),
        (f"?campaignIds={UUID(int=7)}", 404),
        ("?" + "&".join(f"campaignIds={UUID(int=number)}" for number in range(101)), 422),
    ],
)
async def test_a_stream_of_nothing_is_refused(address: str, token: str, query: str, status: int) -> None:
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {token}"}) as client:
        answer = await client.get(f"/api/events{query}")
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
