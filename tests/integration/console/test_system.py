"""The system page: queue, workers, database, and what is wrong with them in words."""

import sys
from dataclasses import replace

import pytest
from fastapi import FastAPI

from tests.integration.console.conftest import BrowserAs
from tests.support.pages import Node, Page
from tests.support.stage import Stage
from vestnik import __version__
from vestnik.db.schema import head_revision
from vestnik.domain.installation import Installation
from vestnik.domain.users import Role
from vestnik.web.state import WebState


async def add_worker(stage: Stage, holder: str, *, silent_for: str = "1 second") -> None:
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, started_at, seen_at) VALUES"
        " (:holder, 'host-' || :holder, 4711, now() - interval '1 hour', now() - CAST(:silent_for AS interval))",
        holder=holder,
        silent_for=silent_for,
    )


async def test_queue_workers_and_database_are_told(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await stage.add_account()
    channel_ids = await stage.add_channels(5)
    await stage.give_peers(account_id, channel_ids)
    campaign_id = await stage.add_campaign(account_id)
    lease = await stage.acquire(account_id, "alive")
    await stage.claim(lease, campaign_id, 2)
    await add_worker(stage, "alive")
    await add_worker(stage, "dead", silent_for="5 minutes")
    page = await (await browser_as(Role.OPERATOR)).get("/system")
    figures = {node.find("dt").text: node.find("dd").text for node in figure_nodes(page)}
    assert figures["Running campaigns"] == "1"
    assert figures["Posts waiting"] == "3"
    assert figures["Being sent now"] == "2"
    assert page.links["To the campaign"] == f"/campaigns/{campaign_id}"
    assert [row[:4] for row in page.rows] == [
        ["Alive", "host-alive", "4711", "1"],
        ["Gone", "host-dead", "4711", "0"],
    ]
    assert "PostgreSQL 1" in page.text
    assert head_revision() in page.text
    assert __version__ in page.text
    assert sys.version.split()[0] in page.text
    assert page.links["Description of the API"] == "/api/docs"
    assert "No worker is running" not in page.text


def figure_nodes(page: Page) -> list[Node]:
    return [node for found in page.root.find_all("dl", class_="figures") for node in found.find_all("div")]


async def test_viewers_see_no_machine(browser_as: BrowserAs, stage: Stage) -> None:
    await add_worker(stage, "alive")
    page = await (await browser_as(Role.VIEWER)).get("/system")
    assert "host-alive" not in page.html
    assert "4711" not in page.html
    assert "Alive" in page.text


async def test_without_a_worker_it_says_how_to_start_one(browser_as: BrowserAs, stage: Stage) -> None:
    await add_worker(stage, "dead", silent_for="5 minutes")
    browser = await browser_as(Role.VIEWER)
    assert "vestnik worker" in (await browser.get("/system")).text
    await stage.execute("DELETE FROM workers")
    assert "No worker has run within the last day." in (await browser.get("/system")).text
    browser.speak("ru")
    assert "За последние сутки не работал ни один обработчик." in (await browser.get("/system")).text


async def test_another_version_of_the_tables_is_a_problem(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.ADMIN)
    assert "another version" not in (await browser.get("/system")).text
    await stage.execute("UPDATE alembic_version SET version_num = '0001'")
    page = await browser.get("/system")
    assert "The tables of the database belong to another version of Vestnik." in page.text
    assert "vestnik db upgrade" in page.text


@pytest.mark.parametrize("embedded", [True, False])
async def test_a_superuser_is_a_hint_only_where_the_database_is_not_ours_alone(
    console: FastAPI, web_state: WebState, browser_as: BrowserAs, embedded: bool
) -> None:
    console.state.web = replace(web_state, installation=Installation(is_database_embedded=embedded))
    page = await (await browser_as(Role.ADMIN)).get("/system")
    assert ("as its superuser" in page.text) is not embedded
    assert ("started by Vestnik itself" in page.text) is embedded
