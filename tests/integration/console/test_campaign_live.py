"""Live parts of pages, from a real server with a real hub: news of the database is on the page within a second."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from tests.integration.console.campaigns import World
from tests.integration.console.conftest import BrowserAs
from tests.support.pages import Node, parse
from vestnik.api.listener import bind_listener, format_url
from vestnik.api.serving import serve
from vestnik.console import live
from vestnik.domain.users import Role
from vestnik.web.identity import SESSION_COOKIE
from vestnik.web.state import read_state

DEADLINE = 45.0
ON_TIME = 1.0


class Stream:
    """Parts as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self, within: float = DEADLINE) -> Node:
        """The next parts."""
        async with asyncio.timeout(within):
            name, data = "", list[str]()
            async for line in self._lines:
                if not line and name == "parts":
                    return parse("\n".join(data))
                field, _, value = line.partition(": ")
                if field == "event":
                    name, data = value, []
                elif field == "data":
                    data.append(value)
        raise EOFError


@pytest.fixture
async def address(console: FastAPI) -> AsyncIterator[str]:
    hub = read_state(console).hub
    stop, ready, listener = asyncio.Event(), asyncio.Event(), bind_listener("127.0.0.1", 0)

    async def run() -> None:
        async with hub.running():
            await serve(console, listener, stop=stop, ready=ready.set, on_stopping=hub.close)

    task = asyncio.create_task(run())
    async with asyncio.timeout(DEADLINE):
        await ready.wait()
    yield format_url(listener)
    stop.set()
    async with asyncio.timeout(DEADLINE):
        await task


@asynccontextmanager
async def follow(address: str, cookie: str, path: str) -> AsyncIterator[Stream]:
    async with (
        httpx.AsyncClient(base_url=address, timeout=DEADLINE, cookies={SESSION_COOKIE: cookie}) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer)


async def _sign_in(browser_as: BrowserAs) -> str:
    return (await browser_as(Role.VIEWER)).client.cookies[SESSION_COOKIE]


@pytest.mark.timed
@pytest.mark.parametrize("view", ["row", "detail"])
async def test_a_post_is_on_the_page_within_a_second(
    browser_as: BrowserAs, world: World, address: str, view: str
) -> None:
    campaign_id = await world.add_campaign(start=True)
    async with follow(
        address, await _sign_in(browser_as), f"/live?campaigns={campaign_id}&view={view}"
    ) as stream:
        first = await stream.next()
        assert first.find(id=f"standing-{campaign_id}").get("data-status") == "RUNNING"
        assert first.find("svg").get("aria-label") == "0 of 10 done"
        for number in (1, 2, 3):
            await world.post(campaign_id, sent=1)
            recorded_at = time.monotonic()
            part = await stream.next()
            while part.find("svg").get("aria-label") != f"{number} of 10 done":
                part = await stream.next()
            assert time.monotonic() - recorded_at < ON_TIME


async def test_a_wait_of_the_account_appears_and_ends_by_itself(
    browser_as: BrowserAs, world: World, address: str
) -> None:
    campaign_id = await world.add_campaign(start=True)
    async with follow(
        address, await _sign_in(browser_as), f"/live?campaigns={campaign_id}&view=detail"
    ) as stream:
        await stream.next()
        await world.stage.execute(
            "INSERT INTO account_holds (account_id, scope, until, reason)"
            " VALUES (:id, 'SEND', clock_timestamp() + interval '2 seconds', 'FLOOD_WAIT')",
            id=world.account_id,
        )
        part = await stream.next()
        assert part.find(id=f"standing-{campaign_id}").get("data-status") == "PAUSED"
        assert "Telegram asked this account to wait." in part.text
        assert part.find_all(data_countdown="")
        part = await stream.next()
        assert part.find(id=f"standing-{campaign_id}").get("data-status") == "RUNNING"


async def test_a_deleted_campaign_says_so(browser_as: BrowserAs, world: World, address: str) -> None:
    campaign_id = await world.add_campaign()
    async with follow(address, await _sign_in(browser_as), f"/live?campaigns={campaign_id}") as stream:
        await stream.next()
        await world.stage.execute("DELETE FROM campaigns")
        assert "This campaign was deleted." in (await stream.next()).text


async def test_the_rate_is_shown_anew_while_nothing_is_posted(
    browser_as: BrowserAs, world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUIET_SECONDS", 0.1)
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=4)
    async with follow(
        address, await _sign_in(browser_as), f"/live?campaigns={campaign_id}&view=detail"
    ) as stream:
        assert (await stream.next()).find(class_="figures").find_all("dd")[2].text in {"4", "3"}
        # As if it had been two minutes ago; no counter changes.
        await world.stage.execute(
            "UPDATE campaign_progress SET minute_started_at = minute_started_at - interval '3 minutes',"
            " minute_sent = 0"
        )
        async with asyncio.timeout(DEADLINE):
            while (await stream.next()).find(class_="figures").find_all("dd")[2].text != "0":
                pass


async def test_a_list_that_is_searched_for_nothing_is_refused(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.VIEWER)
    assert (await browser.get("/live")).status == 404
    assert (await browser.get("/live?campaigns=nonsense")).status == 404
