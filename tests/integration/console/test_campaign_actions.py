"""What can be done with a campaign on its page, and what is refused in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.integration.console.campaigns import EVIL, World
from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.support.pages import read_question
from vestnik.console.formats import ZONE_COOKIE
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role

MOSCOW = ZoneInfo("Europe/Moscow")
OFFERS = {
    "DRAFT": {"start", "preflight", "schedule", "cancel", "delete", "duplicate"},
    "SCHEDULED": {"start", "preflight", "schedule", "unschedule", "cancel", "delete", "duplicate"},
    "RUNNING": {"pause", "cancel", "duplicate"},
    "PAUSED": {"resume", "cancel", "duplicate"},
    "COMPLETED": {"delete", "duplicate"},
    "CANCELLED": {"delete", "duplicate"},
    "FAILED": {"delete", "duplicate"},
}


async def _open(browser_as: BrowserAs, campaign_id: CampaignId, role: Role = Role.OPERATOR) -> Browser:
    browser = await browser_as(role)
    assert (await browser.get(f"/campaigns/{campaign_id}")).status == 200
    return browser


async def test_what_is_offered_is_what_the_status_allows(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)
    prefix = f"/campaigns/{campaign_id}/"
    for status, expected in OFFERS.items():
        if status == "RUNNING":
            await world.stage.execute("UPDATE campaigns SET status = 'DRAFT'")
            await world.stage.start(campaign_id)
        await world.stage.execute(
            "UPDATE campaigns SET status = :status, scheduled_at = now() + interval '1 hour', ended_at = now(),"
            " pause_reason = CASE CAST(:status AS text) WHEN 'PAUSED' THEN 'OPERATOR' END WHERE id = :id",
            status=status,
            id=campaign_id,
        )
        page = await browser.get(f"/campaigns/{campaign_id}")
        actions = [form.get("action") for form in page.forms() if prefix in form.get("action")]
        assert {action.removeprefix(prefix) for action in actions} == expected, status


async def test_start_pause_resume_cancel(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await _open(browser_as, campaign_id)
    for action, status, notice in (
        ("start", "RUNNING", "has started"),
        ("pause", "PAUSED", "is paused"),
        ("resume", "RUNNING", "goes on"),
        ("cancel", "CANCELLED", "is cancelled"),
    ):
        page = await browser.submit(f"/campaigns/{campaign_id}/{action}")
        assert notice in page.notice
        assert await world.stage.read_status(campaign_id) == status
    assert await world.stage.count_jobs(campaign_id) == {"CANCELLED": 10}
    actors = await world.stage.execute(
        "SELECT DISTINCT actor FROM audit_logs WHERE entity_id = :id", id=str(campaign_id)
    )
    assert browser.person is not None
    assert [row.actor for row in actors] == [browser.person.email]


async def test_what_cannot_be_undone_is_asked_about(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)

    async def questions() -> dict[str, str]:
        page = await browser.get(f"/campaigns/{campaign_id}")
        return {
            form.get("action").rpartition("/")[2]: read_question(form)
            for form in page.forms()
            if f"/{campaign_id}/" in form.get("action")
        }

    rehearsal = await questions()
    assert (rehearsal["start"], rehearsal["schedule"]) == ("", "")
    assert rehearsal["cancel"]
    assert rehearsal["delete"]
    await world.make_live(campaign_id)
    live = await questions()
    assert live["start"] == "Post for real in 10 channels now?"
    assert live["schedule"]


async def test_a_double_click_acts_once(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await _open(browser_as, campaign_id)
    first = await browser.post(f"/campaigns/{campaign_id}/duplicate")
    second = await browser.post(f"/campaigns/{campaign_id}/duplicate")
    assert first.location == second.location != f"/campaigns/{campaign_id}"
    assert len(await world.stage.execute("SELECT 1 FROM campaigns")) == 2
    assert "This is the copy." in (await browser.follow(first)).notice


async def test_an_action_that_came_too_late_is_explained(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    browser = await _open(browser_as, campaign_id)
    await world.stage.cancel(campaign_id)
    page = await browser.post(f"/campaigns/{campaign_id}/pause")
    assert page.status == 409
    assert "CANCELLED" in page.problems[""]
    assert page.offers(f"/campaigns/{campaign_id}/delete")


async def test_a_campaign_that_nothing_can_be_posted_for_stays_a_draft(
    browser_as: BrowserAs, world: World
) -> None:
    campaign_id = await world.add_campaign()
    browser = await _open(browser_as, campaign_id)
    await world.stage.execute("UPDATE channels SET is_active = false")
    page = await browser.post(f"/campaigns/{campaign_id}/start")
    assert (page.status, bool(page.problems[""])) == (422, True)
    assert "cannot start" in page.text
    assert await world.stage.read_status(campaign_id) == "DRAFT"


async def test_a_time_is_meant_in_the_zone_of_who_typed_it(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)
    browser.client.cookies.set(ZONE_COOKIE, "Europe/Moscow", domain="127.0.0.1", path="/")
    page = await browser.get(f"/campaigns/{campaign_id}")
    assert "Europe/Moscow" in page.root.find(id="scheduled_at-hint").text
    at = (datetime.now(MOSCOW) + timedelta(days=2)).replace(second=0, microsecond=0)
    page = await browser.submit(
        f"/campaigns/{campaign_id}/schedule", scheduled_at=at.strftime("%Y-%m-%dT%H:%M")
    )
    assert "starts by itself" in page.text
    row = await world.stage.read_campaign(campaign_id)
    assert (row.status, row.scheduled_at) == ("SCHEDULED", at)
    page = await browser.submit(f"/campaigns/{campaign_id}/unschedule")
    assert await world.stage.read_status(campaign_id) == "DRAFT"


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_time_that_is_none_is_said_at_the_field(
    browser_as: BrowserAs, world: World, language: str
) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR, language=language)
    await browser.get(f"/campaigns/{campaign_id}")
    for typed in ("", "tomorrow", "2020-01-01T10:00", "9999-12-31T23:59", "2026-05-09T10:00+03:00"):
        page = await browser.post(f"/campaigns/{campaign_id}/schedule", scheduled_at=typed)
        assert page.status == 422, typed
        assert page.problems["scheduled_at"], typed
        assert page.value("scheduled_at") == typed
    assert await world.stage.read_status(campaign_id) == "DRAFT"


async def test_an_hour_that_the_clocks_skip_is_refused(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)
    browser.client.cookies.set(ZONE_COOKIE, "Europe/Berlin", domain="127.0.0.1", path="/")
    await browser.get(f"/campaigns/{campaign_id}")
    page = await browser.post(f"/campaigns/{campaign_id}/schedule", scheduled_at="2099-03-29T02:30")
    assert "does not exist" in page.problems["scheduled_at"]


async def test_failed_posts_are_tried_again_but_for_those_that_may_be_out(
    browser_as: BrowserAs, world: World
) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=5, failed={"TIMEOUT": 2, "CHANNEL_PRIVATE": 1, "UNKNOWN_OUTCOME": 2})
    browser = await _open(browser_as, campaign_id)
    await browser.submit(f"/campaigns/{campaign_id}/retry", codes="TIMEOUT")
    assert await world.stage.count_jobs(campaign_id) == {"SENT": 5, "QUEUED": 2, "FAILED": 3}
    page = await browser.submit(f"/campaigns/{campaign_id}/retry")
    assert "wait to be sent again" in page.notice
    assert await world.stage.count_jobs(campaign_id) == {"SENT": 5, "QUEUED": 3, "FAILED": 2}
    await browser.submit(f"/campaigns/{campaign_id}/retry", codes="UNKNOWN_OUTCOME")
    assert await world.stage.count_jobs(campaign_id) == {"SENT": 5, "QUEUED": 5}


async def test_what_could_not_be_tried_again_is_told(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=8, failed={"TIMEOUT": 2})
    browser = await _open(browser_as, campaign_id)
    await world.stage.execute(
        "UPDATE channels SET is_active = false WHERE id = (SELECT channel_id FROM jobs WHERE status = 'FAILED' LIMIT 1)"
    )
    page = await browser.submit(f"/campaigns/{campaign_id}/retry")
    assert "1 failed post was left as it is" in page.text
    page = await browser.post(f"/campaigns/{campaign_id}/retry", request_key="another")
    assert (page.status, bool(page.problems[""])) == (409, True)


async def test_a_campaign_is_deleted_with_its_results(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=10)
    browser = await _open(browser_as, campaign_id)
    page = await browser.submit(f"/campaigns/{campaign_id}/delete")
    assert page.notice == "Deleted."
    assert "There is no campaign yet." in page.text
    assert (await browser.get(f"/campaigns/{campaign_id}")).status == 404


async def test_what_somebody_else_changed_is_not_deleted_unseen(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await _open(browser_as, campaign_id)
    await world.stage.execute("UPDATE campaigns SET name = 'Other', revision = revision + 1")
    page = await browser.post(f"/campaigns/{campaign_id}/delete")
    assert page.status == 412
    assert "Somebody else changed this campaign" in page.problems[""]
    assert page.title == "Other"


async def test_an_action_that_there_is_not_is_not_found(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await _open(browser_as, campaign_id)
    assert (await browser.post(f"/campaigns/{campaign_id}/explode")).status == 404
    viewer = await _open(browser_as, campaign_id, Role.VIEWER)
    assert (await viewer.post(f"/campaigns/{campaign_id}/start")).status == 403
    assert await world.stage.read_status(campaign_id) == "DRAFT"


async def test_a_start_means_the_post_that_the_page_shows(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await _open(browser_as, campaign_id)
    await world.stage.execute("UPDATE templates SET content = 'Quite another post', revision = revision + 1")
    # What is asked for again every few seconds does not make the page newer than its preview.
    hidden = browser.page.hidden_fields(f"/campaigns/{campaign_id}/start") if browser.page else {}
    around = await browser.get(f"/campaigns/{campaign_id}/around?seen={hidden['seen'][0]}", headers=PART)
    assert around.hidden_fields(f"/campaigns/{campaign_id}/start")["seen"] == hidden["seen"]
    page = await browser.post(f"/campaigns/{campaign_id}/start")
    assert (page.status, bool(page.problems[""])) == (412, True)
    assert "Quite another post" in page.text
    assert await world.stage.read_status(campaign_id) == "DRAFT"
    assert (await browser.post(f"/campaigns/{campaign_id}/start")).status == 303


async def test_without_scripts_the_question_is_a_page_of_its_own(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    browser = await _open(browser_as, campaign_id)
    browser.has_scripts = False
    path = f"/campaigns/{campaign_id}/cancel"
    page = await browser.post(path)
    assert (page.status, page.title) == (200, "Are you sure?")
    assert "End this campaign for good?" in page.text
    assert await world.stage.read_status(campaign_id) == "RUNNING"
    no, yes = page.forms(path)
    assert (no.find("button").text, yes.find("button").text) == ("No, go back", "Yes, go on")
    back = await browser.post(
        path, **{field.get("name"): field.get("value") for field in no.find_all("input")}
    )
    assert (back.status, back.title) == (200, (await browser.get(f"/campaigns/{campaign_id}")).title)
    assert await world.stage.read_status(campaign_id) == "RUNNING"
    sent = {field.get("name"): field.get("value") for field in yes.find_all("input")}
    answers = [await browser.client.post(path, data=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert await world.stage.read_status(campaign_id) == "CANCELLED"


async def test_a_live_start_without_scripts_is_asked_about(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    await world.make_live(campaign_id)
    browser = await _open(browser_as, campaign_id)
    browser.has_scripts = False
    page = await browser.post(f"/campaigns/{campaign_id}/start")
    assert "Post for real in 10 channels now?" in page.text
    assert await world.stage.read_status(campaign_id) == "DRAFT"
    _, yes = page.forms(f"/campaigns/{campaign_id}/start")
    sent = {field.get("name"): field.get("value") for field in yes.find_all("input")}
    assert sent["seen"]
    assert (await browser.client.post(yes.get("action"), data=sent)).status_code == 303
    assert await world.stage.read_status(campaign_id) == "RUNNING"


async def test_a_question_is_text_and_nothing_else(browser_as: BrowserAs, world: World) -> None:
    browser = await _open(browser_as, await world.add_campaign())
    page = await browser.post("/batches/new", name=EVIL, question=EVIL)
    assert page.title == "Are you sure?"
    assert page.forbidden_markup() == []
    assert page.value("name") == EVIL


async def test_an_hour_that_comes_twice_is_asked_about(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)
    browser.client.cookies.set(ZONE_COOKIE, "Europe/Berlin", domain="127.0.0.1", path="/")
    await browser.get(f"/campaigns/{campaign_id}")
    path = f"/campaigns/{campaign_id}/schedule"
    page = await browser.post(path, scheduled_at="2098-10-26T02:30")
    assert page.status == 422
    assert "comes twice" in page.problems["scheduled_at"]
    assert page.value("scheduled_at") == "2098-10-26T02:30"
    assert [label.text for label in page.root.find(id="scheduled_at_turn").find_all("label")] == [
        "the first time, UTC+02:00",
        "the second time, UTC+01:00",
    ]
    assert await world.stage.read_status(campaign_id) == "DRAFT"
    page = await browser.submit(path, scheduled_at="2098-10-26T02:30", scheduled_at_turn="1")
    row = await world.stage.read_campaign(campaign_id)
    assert row.scheduled_at == datetime(2098, 10, 26, 1, 30, tzinfo=UTC)
    await browser.submit(path, scheduled_at="2098-10-26T02:30", scheduled_at_turn="0")
    row = await world.stage.read_campaign(campaign_id)
    assert row.scheduled_at == datetime(2098, 10, 26, 0, 30, tzinfo=UTC)


async def test_a_time_is_meant_in_the_zone_that_the_page_showed(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)
    browser.client.cookies.set(ZONE_COOKIE, "Asia/Tokyo", domain="127.0.0.1", path="/")
    await browser.get(f"/campaigns/{campaign_id}")
    browser.client.cookies.set(ZONE_COOKIE, "America/New_York", domain="127.0.0.1", path="/")
    path = f"/campaigns/{campaign_id}/schedule"
    page = await browser.post(path, scheduled_at="never")
    assert "Asia/Tokyo" in page.root.find(id="scheduled_at-hint").text
    await browser.submit(path, scheduled_at="2098-07-01T09:00")
    row = await world.stage.read_campaign(campaign_id)
    assert row.scheduled_at == datetime(2098, 7, 1, 0, 0, tzinfo=UTC)
    page = await browser.post(path, scheduled_at="2098-07-01T09:00", scheduled_at_zone="../etc/passwd")
    assert (page.status, bool(page.problems["scheduled_at"])) == (422, True)
