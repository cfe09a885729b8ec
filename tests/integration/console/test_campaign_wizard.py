"""A new campaign, step by step and without scripts: what was typed stays, and only the last step makes one."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.integration.console.campaigns import World
from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.pages import Page, read_question
from vestnik.console.formats import ZONE_COOKIE
from vestnik.domain.users import Role

NEW = "/campaigns/new"
MOSCOW = ZoneInfo("Europe/Moscow")


async def _go(browser: Browser, go: str = "next", **typed: str) -> Page:
    """Press a button of the step that is open, with what stands in its fields."""
    page = browser.page
    assert page is not None
    (form, *_) = [
        form for form in page.forms(NEW) if any(node.get("value") == go for node in form.find_all(name="go"))
    ]
    fields: dict[str, Any] = {}
    for name in {node.get("name") for node in form.walk() if node.get("name")} - {"go", "question"}:
        values = page.values(name)
        if values:
            fields[name] = values[-1]
    return await browser.post(NEW, **(fields | typed | {"go": go}))


def _step(page: Page) -> str:
    return page.root.find("li", aria_current="step").text


async def _reach_summary(browser: Browser, world: World, **pace: str) -> Page:
    await browser.get(NEW)
    await _go(browser, name="Spring", batch_id=str(world.batch_id))
    await _go(browser, template_id=str(world.template_id))
    return await _go(browser, **pace)


async def test_step_by_step_to_a_draft(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(NEW)
    assert _step(page) == "Channels"
    assert "first 10 channels" in page.text
    page = await _go(browser, name="Spring", batch_id=str(world.batch_id))
    assert _step(page) == "Post"
    page = await _go(browser, template_id=str(world.template_id), go="look")
    assert page.root.find(id="chosen-post").find("b").text == "Good morning"
    page = await _go(browser)
    assert _step(page) == "Pace and account"
    page = await _go(browser, delivery_rate="0,5", retry_limit="4", max_error_rate="12,5 %")
    assert _step(page) == "Summary"
    assert "Spring" in page.text
    assert await world.stage.execute("SELECT 1 FROM campaigns") == []
    page = await browser.follow(await _go(browser, "create"))
    assert (page.title, page.notice) == ("Spring", "Created.")
    row = await world.stage.one("SELECT * FROM campaigns")
    assert (row.status, row.mode, row.account_id) == ("DRAFT", "TEST", world.account_id)
    assert (float(row.delivery_rate), row.retry_limit, float(row.max_error_rate)) == (0.5, 4, 0.125)


async def test_the_last_step_tells_what_would_happen(browser_as: BrowserAs, world: World) -> None:
    await world.stage.execute(
        "UPDATE channels SET is_active = false WHERE username IN ('first_00001', 'first_00002')"
    )
    browser = await browser_as(Role.OPERATOR)
    page = await _reach_summary(browser, world, delivery_rate="0.1")
    figures = [node.text for node in page.root.find(class_="figures").find_all("dd")]
    assert figures == ["10", "8", "1 min 20 s"]
    assert "the campaign's rate decides" in page.text
    assert "2 inactive channels are left out." in page.text
    assert "start a worker" in page.text
    assert "This posts for real" not in page.text


async def test_the_smaller_rate_is_named(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await _reach_summary(browser, world, delivery_rate="100")
    assert "20 a second: the account's rate decides, as it is smaller than the campaign's 100." in page.text


async def test_campaigns_that_share_the_account_are_named(browser_as: BrowserAs, world: World) -> None:
    rival = await world.add_campaign(start=True, name="Rival", rate=15)
    browser = await browser_as(Role.OPERATOR)
    page = await _reach_summary(browser, world, delivery_rate="10")
    assert page.links["Rival"] == f"/campaigns/{rival}"
    assert "They share its 20 posts a second" in page.text
    assert "About 8 a second while the others run, instead of the campaign's 10" in page.text
    page = await _reach_summary(browser, world, delivery_rate="1")
    assert "are enough for all" in page.text


async def test_an_account_that_waits_or_cannot_post_is_told(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    await world.stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'SEND', now() + interval '10 minutes', 'FLOOD_WAIT')",
        id=world.account_id,
    )
    page = await _reach_summary(browser, world, delivery_rate="10")
    assert "Telegram asked the account to wait" in page.text
    assert page.root.find(class_="figures").find_all("dd")[2].text in {
        "10 min",
        "10 min 1 s",
        "9 min 59 s",
        "9 min 58 s",
    }
    await world.stage.execute("UPDATE accounts SET state = 'NEEDS_LOGIN'")
    page = await _reach_summary(browser, world)
    assert "The account cannot post now: Needs a login." in page.text


async def test_where_few_channels_can_be_posted_in_it_is_said(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    await world.stage.execute("UPDATE channels SET is_active = username IN ('first_00001', 'first_00002')")
    page = await _reach_summary(browser, world)
    assert "Few channels can be posted in: 2 of 10." in page.text
    await world.stage.execute("UPDATE channels SET is_active = false")
    page = await _reach_summary(browser, world)
    assert "The campaign cannot start like this." in page.text
    page = await _go(browser, "start")
    assert (page.status, bool(page.problems["batch_id"]), _step(page)) == (422, True, "Channels")
    assert await world.stage.execute("SELECT 1 FROM campaigns") == []


async def test_a_live_campaign_is_asked_about_and_started_once(browser_as: BrowserAs, world: World) -> None:
    await world.add_live_account()
    browser = await browser_as(Role.OPERATOR)
    page = await _reach_summary(browser, world, mode="LIVE")
    assert "This posts for real." in page.text
    questions = {form.find("button").get("value"): read_question(form) for form in page.forms(NEW)}
    assert questions == {"start": "Post for real in 10 channels now?", "create": "", "check": "", "back": ""}
    first, second = await _go(browser, "start"), await _go(browser, "start")
    assert first.location == second.location
    row = await world.stage.one("SELECT status, mode FROM campaigns")
    assert (row.status, row.mode) == ("RUNNING", "LIVE")


async def test_a_scheduled_one_starts_at_the_time_of_who_typed_it(
    browser_as: BrowserAs, world: World
) -> None:
    browser = await browser_as(Role.OPERATOR)
    browser.client.cookies.set(ZONE_COOKIE, "Europe/Moscow", domain="127.0.0.1", path="/")
    at = (datetime.now(MOSCOW) + timedelta(days=1)).replace(second=0, microsecond=0)
    typed = at.strftime("%Y-%m-%dT%H:%M")
    page = await _reach_summary(browser, world, scheduled_at=typed)
    assert "(Europe/Moscow)" in page.text
    page = await browser.follow(await _go(browser, "schedule"))
    assert "starts by itself" in page.notice
    row = await world.stage.one("SELECT status, scheduled_at FROM campaigns")
    assert (row.status, row.scheduled_at) == ("SCHEDULED", at)


async def test_a_time_that_passed_meanwhile_is_told(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await _reach_summary(browser, world, scheduled_at="2020-01-01T10:00")
    assert (page.status, _step(page), page.value("scheduled_at")) == (
        422,
        "Pace and account",
        "2020-01-01T10:00",
    )
    assert "has passed" in page.problems["scheduled_at"]
    await _reach_summary(browser, world)
    typed = {"scheduled_at": "2020-01-01T10:00", "go": "schedule"}
    page = await browser.post(NEW, **typed)
    assert (page.status, _step(page)) == (422, "Pace and account")
    assert page.problems["scheduled_at"]
    assert await world.stage.execute("SELECT 1 FROM campaigns") == []


async def test_going_back_keeps_what_was_typed(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    await _reach_summary(browser, world, delivery_rate="3", max_error_rate="7")
    page = await _go(browser, "back")
    assert (page.value("delivery_rate"), page.value("max_error_rate")) == ("3", "7")
    page = await _go(browser, "back", delivery_rate="nonsense")
    assert page.values("template_id") == [str(world.template_id)]
    page = await _go(browser, "back")
    assert (page.value("name"), page.values("batch_id")) == ("Spring", [str(world.batch_id)])
    await _go(browser)
    page = await _go(browser)
    assert page.value("delivery_rate") == "nonsense"


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_what_is_wrong_is_said_at_its_field_and_kept(
    browser_as: BrowserAs, world: World, language: str
) -> None:
    browser = await browser_as(Role.OPERATOR, language=language)
    await browser.get(NEW)
    page = await _go(browser, name=" ", batch_id=str(world.batch_id))
    assert (page.status, set(page.problems) >= {"name"}) == (422, True)
    assert page.values("batch_id") == [str(world.batch_id)]
    page = await _go(browser, name="Spring", batch_id="nonsense")
    assert (page.status, bool(page.problems["batch_id"]), page.value("name")) == (422, True, "Spring")
    await _go(browser, name="Spring", batch_id=str(world.batch_id))
    page = await _go(browser)
    assert (page.status, bool(page.problems["template_id"])) == (422, True)
    await _go(browser, template_id=str(world.template_id))
    for field, typed in (
        ("delivery_rate", "fast"),
        ("delivery_rate", "0"),
        ("retry_limit", "21"),
        ("retry_limit", "1.5"),
        ("max_error_rate", "0"),
        ("max_error_rate", "many"),
        ("scheduled_at", "tomorrow"),
        ("account_id", "nonsense"),
        ("mode", "MAYBE"),
    ):
        usual = {
            "delivery_rate": "1",
            "retry_limit": "3",
            "max_error_rate": "10",
            "scheduled_at": "",
            "mode": "TEST",
        }
        page = await _go(browser, **(usual | {"account_id": ""} | {field: typed}))
        assert page.status == 422, (field, typed)
        assert page.problems[field], (field, typed)
        if field not in {"account_id", "mode"}:
            assert page.value(field) == typed
    assert await world.stage.execute("SELECT 1 FROM campaigns") == []


async def test_a_live_campaign_needs_a_real_account(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await _reach_summary(browser, world, mode="LIVE", account_id=str(world.account_id))
    assert (page.status, _step(page), bool(page.problems["account_id"])) == (422, "Pace and account", True)
    page = await _go(browser, mode="LIVE", account_id="")
    assert (page.status, bool(page.problems["account_id"])) == (422, True)


async def test_what_was_deleted_meanwhile_is_asked_for_again(browser_as: BrowserAs, world: World) -> None:
    browser = await browser_as(Role.OPERATOR)
    await _reach_summary(browser, world)
    await world.stage.execute("DELETE FROM templates")
    page = await _go(browser, "create")
    assert (page.status, _step(page), bool(page.problems["template_id"])) == (404, "Post", True)
    assert page.value("name") == "Spring"


async def test_batches_and_templates_are_searched_with_and_without_scripts(
    browser_as: BrowserAs, world: World
) -> None:
    await world.stage.execute("INSERT INTO batches (name) SELECT 'batch ' || i FROM generate_series(1, 30) i")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"{NEW}?batch={world.batch_id}")
    assert page.values("batch_id") == [str(world.batch_id)]
    assert len(page.root.find_all("input", name="batch_id")) == 21
    assert "There are more" in page.text
    page = await _go(browser, "look", name="Typed", batch_search="first")
    assert (len(page.root.find_all("input", name="batch_id")), page.value("name")) == (1, "Typed")
    part = await browser.get(f"{NEW}/batches?batch_search=nothing")
    assert "No batch is called like this." in part.text
    part = await browser.get(f"{NEW}/templates?template_search=morn")
    assert len(part.root.find_all("input", name="template_id")) == 1
    part = await browser.get(f"{NEW}/preview?template_id={world.template_id}")
    assert part.root.find("b").text == "Good morning"
    part = await browser.get(f"{NEW}/preview?template_id=nonsense")
    assert "Choose a template" in part.text


async def test_without_anything_to_choose_the_way_to_it_is_shown(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    assert (await browser.get(NEW)).links["Make a batch first"] == "/batches/new"
    assert (await browser.get(f"{NEW}/templates")).links["Write a template first"] == "/templates/new"


async def test_a_viewer_makes_none(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.VIEWER)
    assert (await browser.get(NEW)).status == 403
    assert (await browser.post(NEW, go="create")).status == 403
