"""Preflights in the console: on a campaign's page, channel by channel, in the wizard, and at the start."""

from uuid import uuid4

import pytest

from tests.integration.console.campaigns import World
from tests.integration.console.conftest import BrowserAs
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role


@pytest.fixture
async def served(world: World) -> World:
    """A process claims to speak for the account."""
    await world.stage.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " SELECT id, 'someone', 1, now() + interval '1 hour' FROM accounts"
    )
    return world


async def finish(world: World) -> None:
    """As the worker would: the first three fail, the fourth has the post already."""
    await world.stage.execute("UPDATE account_commands SET status = 'DONE', finished_at = now()")
    await world.stage.execute(
        "INSERT INTO preflight_channels (preflight_id, channel_id, position, verdict, code, detail, at)"
        " SELECT f.id, b.channel_id, b.position,"
        " CASE WHEN b.channel_id = :fourth THEN 'WARNS' ELSE 'FAILS' END,"
        " CASE WHEN b.channel_id = :fourth THEN 'SAME_CONTENT' ELSE 'CHAT_WRITE_FORBIDDEN' END,"
        " CASE WHEN b.channel_id = :fourth THEN 'Yesterday <b>' END, now()"
        " FROM preflights f, batch_channels b WHERE b.channel_id = ANY (CAST(:ids AS uuid[]))",
        fourth=world.channels[3],
        ids=world.channels[:4],
    )
    await world.stage.execute(
        "UPDATE preflights SET finished_at = now(), total = 10, ready = 7, failing = 3, warned = 1"
    )


async def test_the_check_is_asked_for_followed_and_read(browser_as: BrowserAs, served: World) -> None:
    campaign_id = await served.add_campaign()
    path = f"/campaigns/{campaign_id}"
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(path)
    assert "without posting anything" in page.text
    answer = await browser.post(f"{path}/preflight")
    assert answer.location == f"{path}#preflight"
    page = await browser.get(path)
    part = page.root.find("section", id="preflight")
    assert part.get("hx-get").startswith(f"{path}/preflight/part?seen=")
    assert not page.offers(f"{path}/preflight")
    await finish(served)
    part_page = await browser.get(part.get("hx-get"))
    assert "Would fail 3" in part_page.text
    assert "The account may not post in the channel." in part_page.text
    found = await browser.get(f"{path}/preflight")
    assert len(found.rows) == 4
    assert "Yesterday <b>" in found.text
    assert found.forbidden_markup() == []
    only = await browser.get(f"{path}/preflight?verdict=WARNS")
    assert ("@first_00004" in only.text, "@first_00001" in only.text) == (True, False)
    assert (await browser.get(f"{path}/preflight?verdict=BAD&cursor=x&code=NONE")).status == 200


async def test_a_start_without_those_that_would_fail(browser_as: BrowserAs, served: World) -> None:
    campaign_id = await served.add_campaign()
    path = f"/campaigns/{campaign_id}"
    browser = await browser_as(Role.OPERATOR)
    await browser.get(path)
    await browser.post(f"{path}/preflight")
    await finish(served)
    page = await browser.get(path)
    (_, careful) = page.forms(f"{path}/start")
    fields = {item.get("name"): item.get("value") for item in careful.find_all("input")}
    assert fields["skip"] == "preflight"
    started = await browser.post(f"{path}/start", **fields)
    assert started.status == 303
    assert await served.stage.read_progress(campaign_id) == {"QUEUED": 7, "CANCELLED": 3}
    page = await browser.follow(started)
    assert "Check before the start" not in page.text
    assert "It was left out at the start" in page.text


async def test_a_report_of_another_state_offers_no_start(browser_as: BrowserAs, served: World) -> None:
    campaign_id = await served.add_campaign()
    path = f"/campaigns/{campaign_id}"
    browser = await browser_as(Role.OPERATOR, language="ru")
    await browser.get(path)
    await browser.post(f"{path}/preflight")
    await finish(served)
    await served.stage.execute("UPDATE campaigns SET revision = revision + 1")
    page = await browser.get(path)
    assert "проверьте снова" in page.text
    assert len(page.forms(f"{path}/start")) == 1
    refused = await browser.post(f"{path}/start", skip="preflight")
    assert refused.status == 412 or "проверьте снова" in refused.text
    assert await served.stage.read_status(CampaignId(campaign_id)) == "DRAFT"


async def test_without_a_worker_the_page_says_what_to_do(browser_as: BrowserAs, world: World) -> None:
    path = f"/campaigns/{await world.add_campaign()}"
    browser = await browser_as(Role.OPERATOR)
    await browser.get(path)
    refused = await browser.post(f"{path}/preflight")
    assert "No worker delivers" in refused.text
    assert await world.stage.execute("SELECT FROM preflights") == []


class TestFindingsOfNoChannel:
    """Why nothing is listed is told, and told apart."""

    async def test_where_nobody_asked(self, browser_as: BrowserAs, world: World) -> None:
        path = f"/campaigns/{await world.add_campaign()}"
        page = await (await browser_as(Role.VIEWER)).get(f"{path}/preflight")
        assert page.status == 200
        assert "were never checked" in page.text
        assert [link.get("href") for link in page.root.find_all("a", href=f"{path}#preflight")]
        assert (await (await browser_as(Role.VIEWER)).get(f"/campaigns/{uuid4()}/preflight")).status == 404

    async def test_where_all_are_ready(self, browser_as: BrowserAs, served: World) -> None:
        path = f"/campaigns/{await served.add_campaign()}"
        browser = await browser_as(Role.OPERATOR)
        await browser.get(path)
        await browser.post(f"{path}/preflight")
        await served.stage.execute("UPDATE preflights SET finished_at = now(), total = 10, ready = 10")
        page = await browser.get(f"{path}/preflight")
        assert "Nothing stands against the post in any channel." in page.text
        assert "No channel is like this." not in page.text

    async def test_where_the_check_is_on_its_way_and_where_it_broke_off(
        self, browser_as: BrowserAs, served: World
    ) -> None:
        path = f"/campaigns/{await served.add_campaign()}"
        browser = await browser_as(Role.OPERATOR)
        await browser.get(path)
        await browser.post(f"{path}/preflight")
        assert "The check is not finished." in (await browser.get(f"{path}/preflight")).text
        await served.stage.execute(
            "UPDATE account_commands SET status = 'EXPIRED', finished_at = now(),"
            """ result = '{"error_code": "NO_WORKER"}'"""
        )
        page = await browser.get(f"{path}/preflight")
        assert "The check did not come to its end." in page.text
        assert "The check is not finished." not in page.text


async def test_readers_see_it_and_ask_for_nothing(browser_as: BrowserAs, served: World) -> None:
    path = f"/campaigns/{await served.add_campaign()}"
    browser = await browser_as(Role.VIEWER)
    assert not (await browser.get(path)).offers(f"{path}/preflight")
    assert (await browser.post(f"{path}/preflight")).status == 403


class TestTheWizard:
    """Its last step saves and checks in one go."""

    @staticmethod
    def fields(world: World) -> dict[str, str]:
        return {
            "step": "summary",
            "go": "check",
            "name": "Morning",
            "batch_id": str(world.batch_id),
            "template_id": str(world.template_id),
            "mode": "TEST",
            "delivery_rate": "5",
            "retry_limit": "3",
            "max_error_rate": "10",
        }

    async def test_a_draft_is_saved_and_checked(self, browser_as: BrowserAs, served: World) -> None:
        browser = await browser_as(Role.OPERATOR)
        await browser.get("/campaigns/new")
        answer = await browser.post("/campaigns/new", **self.fields(served))
        row = await served.stage.one("SELECT f.campaign_id, c.status FROM preflights f, campaigns c")
        assert (answer.location, row.status) == (f"/campaigns/{row.campaign_id}#preflight", "DRAFT")

    async def test_what_stands_against_it_is_said_and_nothing_saved(
        self, browser_as: BrowserAs, world: World
    ) -> None:
        browser = await browser_as(Role.OPERATOR)
        await browser.get("/campaigns/new")
        answer = await browser.post("/campaigns/new", **self.fields(world))
        assert "No worker delivers" in answer.text
        assert "Save and check the channels" in answer.text
        assert await world.stage.execute("SELECT FROM campaigns") == []


async def test_channels_that_wait_for_the_next_day_are_told(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.stage.execute("UPDATE channel_peers SET access_hash = NULL")
    await world.stage.execute(
        "INSERT INTO account_lookups"
        " SELECT id, (clock_timestamp() AT TIME ZONE 'UTC')::date, 200, 200 FROM accounts"
    )
    page = await (await browser_as(Role.VIEWER)).get(f"/campaigns/{campaign_id}")
    assert "10 channels have yet to be found on Telegram." in page.text
    assert "used up its 200 look-ups of today" in page.text
