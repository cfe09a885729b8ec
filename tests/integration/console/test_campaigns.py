"""The list of campaigns and the page of one: what is shown of each state."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.console.campaigns import EVIL, World
from tests.integration.console.conftest import PART, BrowserAs
from tests.support.pages import Page
from vestnik.console.labels import TEXTS
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.states import CampaignStatus, DerivedPause, PauseReason
from vestnik.domain.users import Role
from vestnik.services import campaigns

SYSTEM = Actor.system("test")


async def test_without_campaigns_the_list_says_what_one_is(browser_as: BrowserAs) -> None:
    editor, viewer = await browser_as(Role.OPERATOR), await browser_as(Role.VIEWER)
    page = await editor.get("/campaigns")
    assert "There is no campaign yet." in page.text
    assert page.links["Make the first campaign"] == "/campaigns/new"
    page = await viewer.get("/campaigns")
    assert "There is no campaign yet." in page.text
    assert "/campaigns/new" not in page.links.values()


async def test_the_list_shows_progress_and_follows_it_live(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True, name="Spring")
    await world.post(campaign_id, sent=4, failed={"CHANNEL_PRIVATE": 2})
    draft = await world.add_campaign(name="Summer")
    page = await (await browser_as(Role.VIEWER)).get("/campaigns")
    assert [row[0] for row in page.rows] == ["Summer Rehearsal", "Spring Rehearsal"]
    assert "4 of 10 posted 2 failed" in page.rows[1][1]
    part = page.root.find(id=f"standing-{campaign_id}")
    assert part.get("data-status") == "RUNNING"
    assert part.find("svg").get("aria-label") == "6 of 10 done"
    live = page.root.find(id="results").get("data-live")
    assert live == f"/live?campaigns={draft}&campaigns={campaign_id}&view=row"


async def test_campaigns_are_found_by_name_and_status(browser_as: BrowserAs, world: World) -> None:
    await world.add_campaign(start=True, name="Spring news")
    await world.add_campaign(name="Spring draft")
    browser = await browser_as(Role.VIEWER)
    assert len((await browser.get("/campaigns?search=spring")).rows) == 2
    assert [row[0] for row in (await browser.get("/campaigns?search=spring&status=DRAFT")).rows] == [
        "Spring draft Rehearsal"
    ]
    page = await browser.get("/campaigns?search=winter")
    assert "No campaign is like this." in page.text
    assert len((await browser.get("/campaigns?status=NONSENSE&cursor=nonsense")).rows) == 2


async def test_a_hold_is_found_as_paused(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'SEND', now() + interval '90 seconds', 'FLOOD_WAIT')",
        id=world.account_id,
    )
    browser = await browser_as(Role.VIEWER)
    assert len((await browser.get("/campaigns?status=PAUSED")).rows) == 1
    page = await browser.get(f"/campaigns/{campaign_id}")
    assert "Telegram asked this account to wait." in page.text
    assert page.root.find(id=f"standing-{campaign_id}").find("time", class_="countdown").text in {
        "1:30",
        "1:29",
        "1:28",
        "1:27",
    }


async def test_the_list_goes_on_page_by_page(browser_as: BrowserAs, world: World) -> None:
    await world.add_campaign(name="first")
    await world.stage.execute(
        "INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate)"
        " SELECT 'c' || i, account_id, account_kind, batch_id, template_id, 1 FROM campaigns, generate_series(1, 70) i"
    )
    browser = await browser_as(Role.VIEWER)
    page = await browser.get("/campaigns?status=DRAFT")
    assert len(page.rows) == 50
    following = await browser.get(page.links["Further"])
    assert len(following.rows) == 21
    assert not {row[0] for row in page.rows} & {row[0] for row in following.rows}
    assert following.links["Back to the start"] == "/campaigns?status=DRAFT"


STANDINGS: list[tuple[CampaignStatus, PauseReason | None]] = [
    *((status, None) for status in CampaignStatus if status is not CampaignStatus.PAUSED),
    *((CampaignStatus.PAUSED, reason) for reason in PauseReason),
]


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_each_status_is_told_in_words(browser_as: BrowserAs, world: World, language: str) -> None:
    campaign_id = await world.add_campaign(start=True)
    browser = await browser_as(Role.VIEWER, language=language)
    for status, reason in STANDINGS:
        await world.stage.execute(
            "UPDATE campaigns SET status = :status, pause_reason = :reason, scheduled_at = now() + interval '1 hour',"
            " ended_at = CASE WHEN :is_final THEN now() END WHERE id = :id",
            status=status.value,
            reason=reason and reason.value,
            is_final=status.is_final,
            id=campaign_id,
        )
        page = await browser.get(f"/campaigns/{campaign_id}")
        assert page.status == 200, status
        words = page.root.find(class_="standing-words").text
        assert len(words) > 15, words
        assert bool(re.search("[а-я]", words)) == (language == "ru"), words
        if reason is not None and language == "en":
            assert TEXTS[PauseReason][reason] in words
        for name in ("around", "failures", "rates", "posts"):
            part = await browser.get(f"/campaigns/{campaign_id}/{name}", headers=PART)
            assert part.status == 200, (status, name)


async def test_an_account_that_cannot_post_says_why(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.stage.execute("UPDATE accounts SET state = 'LIMITED', state_reason = 'PEER_FLOOD'")
    page = await (await browser_as(Role.VIEWER)).get(f"/campaigns/{campaign_id}")
    assert TEXTS[DerivedPause][DerivedPause.ACCOUNT_BLOCKED] in page.text
    assert "PEER_FLOOD" in page.text


async def test_a_running_campaign_without_a_worker_says_so(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    browser = await browser_as(Role.VIEWER)
    assert "start a worker" in (await browser.get(f"/campaigns/{campaign_id}")).text
    await world.post(campaign_id, sent=1)  # whoever does that holds the account
    assert "start a worker" not in (await browser.get(f"/campaigns/{campaign_id}")).text


async def test_an_unknown_campaign_is_not_found(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    for path in ("", "/around", "/failures", "/rates", "/posts", "/edit", "/content"):
        answer = await browser.get(f"/campaigns/00000000-0000-0000-0000-000000000000{path}")
        assert answer.status == 404, path
    assert (await browser.get("/campaigns/nonsense")).status == 404


async def test_a_viewer_sees_all_and_is_offered_nothing(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=1, failed={"CHANNEL_PRIVATE": 1})
    page = await (await browser_as(Role.VIEWER)).get(f"/campaigns/{campaign_id}")
    assert [form.get("action") for form in page.forms() if "/campaigns/" in form.get("action")] == [
        f"/campaigns/{campaign_id}#posts"
    ]
    assert page.links["Download as CSV"] == f"/api/campaigns/{campaign_id}/report.csv"


async def test_failures_are_counted_by_reason_in_words(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(
        campaign_id, sent=1, failed={"CHANNEL_PRIVATE": 3, "UNKNOWN_OUTCOME": 2, "WEIRD_CODE": 1}
    )
    page = await (await browser_as(Role.OPERATOR)).get(f"/campaigns/{campaign_id}")
    reasons = [node.text for node in page.root.find(class_="reasons").find_all("li")]
    assert [text.split()[0] for text in reasons] == ["3", "2", "1"]
    assert "The channel is private" in reasons[0]
    assert "CHANNEL_PRIVATE" in reasons[0]
    assert "WEIRD_CODE" in reasons[2]
    assert "may be in their channels already" in page.question(f"/campaigns/{campaign_id}/retry", 2)


async def test_the_part_with_the_reasons_is_sent_only_when_it_changed(
    browser_as: BrowserAs, world: World
) -> None:
    campaign_id = await world.add_campaign(start=True)
    browser = await browser_as(Role.VIEWER)
    page = await browser.get(f"/campaigns/{campaign_id}")
    path = page.root.find(id="failures").get("hx-get")
    assert (await browser.get(path, headers=PART)).status == 204
    await world.post(campaign_id, failed={"CHANNEL_PRIVATE": 1})
    part = await browser.get(path, headers=PART)
    assert (part.status, "The channel is private" in part.text) == (200, True)


async def test_channels_are_listed_with_what_became_of_each(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=2, failed={"CHANNEL_PRIVATE": 1})
    browser = await browser_as(Role.VIEWER)
    page = await browser.get(f"/campaigns/{campaign_id}/posts")
    assert len(page.rows) == 10
    assert page.rows[0][:2] == ["@first_00001", "Posted"]
    assert page.rows[2][1] == "Failed"
    assert "The channel is private" in page.rows[2][4]
    assert "CHANNEL_PRIVATE As Telegram says it" in page.rows[2][4]
    assert page.rows[3][1:3] == ["Waiting", "—"]
    failed = await browser.get(f"/campaigns/{campaign_id}/posts?result=FAILED&reason=CHANNEL_PRIVATE")
    assert [row[0] for row in failed.rows] == ["@first_00003"]
    assert failed.response.headers["HX-Replace-Url"] == (
        f"/campaigns/{campaign_id}?result=FAILED&reason=CHANNEL_PRIVATE"
    )
    found = await browser.get(f"/campaigns/{campaign_id}/posts?search=00007")
    assert [row[0] for row in found.rows] == ["@first_00007"]
    nothing = await browser.get(f"/campaigns/{campaign_id}/posts?search=nowhere")
    assert "No channel of this campaign is like this." in nothing.text


async def test_the_whole_page_takes_the_same_address_as_the_part(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=2, failed={"CHANNEL_PRIVATE": 1})
    page = await (await browser_as(Role.VIEWER)).get(
        f"/campaigns/{campaign_id}?result=FAILED&reason=CHANNEL_PRIVATE&search=first"
    )
    assert (page.value("result"), page.value("reason"), page.value("search")) == (
        "FAILED",
        "CHANNEL_PRIVATE",
        "first",
    )
    assert [row[0] for row in page.rows if row[0].startswith("@")] == ["@first_00003"]


async def test_a_live_post_has_a_link(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    await world.make_live(campaign_id)
    await world.stage.start(campaign_id)
    await world.stage.execute(
        "UPDATE jobs SET status = 'SENT', message_ids = '{17}', sent_at = now() WHERE id = 1"
    )
    page = await (await browser_as(Role.VIEWER)).get(f"/campaigns/{campaign_id}")
    assert page.links["Open the post"] == "https://t.me/first_00001/17"


async def test_many_channels_go_on_page_by_page(browser_as: BrowserAs, world: World) -> None:
    await world.stage.add_channels(120, "many")
    campaign_id = await world.stage.add_campaign(world.account_id, batch="many")
    browser = await browser_as(Role.VIEWER)
    seen: list[str] = []
    page = await browser.get(f"/campaigns/{campaign_id}")
    refreshed = [bool(page.root.find(id="posts").get("hx-get"))]
    while True:
        seen += [row[0] for row in page.rows if row[0].startswith("@")]
        if "Further" not in page.links:
            break
        page = await browser.get(page.links["Further"])
        refreshed.append(bool(page.root.find(id="posts").get("hx-get")))
    assert len(seen) == len(set(seen)) == 120
    assert refreshed == [True, False, False]


async def test_purged_results_are_said_to_be_gone(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=9, failed={"CHANNEL_PRIVATE": 1})
    await world.stage.execute("UPDATE campaigns SET purged_at = now()")
    page = await (await browser_as(Role.OPERATOR)).get(f"/campaigns/{campaign_id}")
    assert "The results of each channel were deleted" in page.text
    assert "report.csv" not in page.html
    assert not page.offers(f"/campaigns/{campaign_id}/retry")


async def test_posts_per_minute_are_drawn(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=4)
    started_at = datetime.now(UTC) - timedelta(minutes=30)
    await world.stage.execute("UPDATE campaigns SET started_at = :at", at=started_at)
    await world.stage.execute(
        "INSERT INTO campaign_minutes VALUES (:id, date_trunc('minute', CAST(:at AS timestamptz)), 60)",
        id=campaign_id,
        at=started_at + timedelta(minutes=10),
    )
    part = await (await browser_as(Role.VIEWER)).get(f"/campaigns/{campaign_id}/rates", headers=PART)
    titles = [node.raw_text for node in part.root.find("svg").find_all("title")]
    assert [title.split(": ")[1] for title in titles] == ["60 a minute", "4 a minute"]
    assert "at most 60 a minute" in part.text


async def test_the_history_tells_who_did_what(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    async with open_session(world.stage.engine) as session:
        await campaigns.pause_campaign(session, SYSTEM, campaign_id)
    page = await (await browser_as(Role.VIEWER)).get(f"/campaigns/{campaign_id}")
    assert any("A campaign was paused" in cell for row in page.rows for cell in row)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_stored_texts_are_texts_and_nothing_else(
    browser_as: BrowserAs, world: World, language: str
) -> None:
    campaign_id = await world.add_campaign(start=True, name=EVIL)
    draft = await world.add_campaign(name=f"{EVIL} draft")
    await world.post(campaign_id, sent=1, failed={EVIL: 1})
    stage = world.stage
    for statement in (
        "UPDATE channels SET title = :evil",
        "UPDATE jobs SET error_message = :evil",
        "UPDATE accounts SET name = :evil, state = 'LIMITED', state_reason = :evil",
        "UPDATE batches SET name = :evil",
        "UPDATE templates SET name = :evil || name, content = :evil, parse_mode = NULL",
        "UPDATE campaigns SET status_detail = :evil",
    ):
        await stage.execute(statement, evil=EVIL)
    await stage.execute(
        "INSERT INTO audit_logs (actor_kind, actor, action, entity_type, entity_id, after)"
        " VALUES ('USER', :evil, 'campaign.changed', 'campaign', :id, jsonb_build_object('name', CAST(:evil AS text)))",
        evil=EVIL,
        id=str(campaign_id),
    )
    browser = await browser_as(Role.OPERATOR, language=language)
    for path in (
        "/campaigns",
        f"/campaigns?search={EVIL}&status={EVIL}",
        "/campaigns/new",
        f"/campaigns/new/templates?template_search={EVIL}",
        f"/campaigns/{campaign_id}",
        f"/campaigns/{campaign_id}?search={EVIL}&reason={EVIL}&result={EVIL}",
        f"/campaigns/{draft}/edit",
        f"/campaigns/{campaign_id}/edit",
    ):
        page = await browser.get(path)
        assert page.status == 200, path
        assert page.forbidden_markup() == [], path
        assert EVIL in page.text or EVIL in page.values("search"), path


def list_replaced(part: Page) -> list[str]:
    """The parts that an answer replaces beside the one that was asked for."""
    return sorted(node.get("id") for node in part.root.find_all(hx_swap_oob="true"))


async def test_a_page_that_stays_open_follows_what_others_do(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/campaigns/{campaign_id}")
    part = await browser.get(page.root.find(id="around").get("hx-get"), headers=PART)
    assert list_replaced(part) == []
    assert "HX-Trigger-After-Settle" not in part.response.headers
    await world.stage.start(campaign_id)
    part = await browser.get(page.root.find(id="around").get("hx-get"), headers=PART)
    assert list_replaced(part) == ["done", "facts", "schedule", "tools"]
    assert part.response.headers["HX-Trigger-After-Settle"] == "campaign-changed"
    assert not part.offers(f"/campaigns/{campaign_id}/schedule")
    assert "report.csv" in part.html
    assert part.root.find_all("form", role="search")
    assert "As it was when the campaign started" in part.root.find(id="facts").text
    assert "Started" in part.root.find(id="facts").text
    # The search is left alone, and what is typed into it, when the campaign only goes on or ends.
    await world.stage.cancel(campaign_id)
    part = await browser.get(part.root.find(id="around").get("hx-get"), headers=PART)
    assert list_replaced(part) == ["done", "facts"]
    await world.stage.execute("UPDATE campaigns SET purged_at = now()")
    part = await browser.get(part.root.find(id="around").get("hx-get"), headers=PART)
    assert list_replaced(part) == ["done", "facts", "posts", "tools"]
    assert "The results of each channel were deleted" in part.text
    part = await browser.get(part.root.find(id="around").get("hx-get"), headers=PART)
    assert list_replaced(part) == []


async def test_only_what_can_change_is_asked_for_again(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign()
    browser = await browser_as(Role.VIEWER)

    async def read_triggers() -> set[str]:
        page = await browser.get(f"/campaigns/{campaign_id}")
        return {page.root.find(id=name).get("hx-trigger") for name in ("posts", "rates")}

    assert await read_triggers() == {"campaign-changed from:body"}
    await world.stage.start(campaign_id)
    assert await read_triggers() == {"refresh"}
    await world.stage.execute("UPDATE campaigns SET status = 'PAUSED', pause_reason = 'OPERATOR'")
    assert await read_triggers() == {"campaign-changed from:body"}
    await world.stage.execute("UPDATE campaigns SET status = 'RUNNING', pause_reason = NULL")
    await world.stage.cancel(campaign_id)
    assert await read_triggers() == {"campaign-changed from:body"}


async def test_a_campaign_that_is_slowed_says_by_what(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(rate=15)
    browser = await browser_as(Role.VIEWER)
    path = f"/campaigns/{campaign_id}/around"
    await world.stage.execute("UPDATE accounts SET rate = 12.5")
    assert "slower" not in (await browser.get(path, headers=PART)).text
    await world.stage.start(campaign_id)
    assert (
        "its own 15 posts a second: the account makes only 12.5."
        in (await browser.get(path, headers=PART)).text
    )
    await world.stage.execute("UPDATE accounts SET rate = 20")
    assert "slower" not in (await browser.get(path, headers=PART)).text
    await world.add_campaign(start=True, rate=10)
    said = (await browser.get(path, headers=PART)).text
    assert "the account makes 20, and 1 other running campaign shares them." in said
