"""The overview: what runs, waits and needs a person; it keeps itself up to date part by part."""

from uuid import UUID

from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.integration.console.test_system import add_worker
from tests.support.pages import Page
from tests.support.stage import Stage
from vestnik.domain.users import Role

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>'


def parts_address(page: Page) -> str:
    return page.root.find("div", id="pulse").get("hx-get")


async def refresh(browser: Browser, page: Page) -> tuple[Page, set[str]]:
    """What the page asks for every few seconds, and the parts that come."""
    answer = await browser.get(parts_address(page), headers=PART)
    assert answer.status == 200
    came = {node.get("id").removeprefix("overview-") for node in answer.root.find_all(hx_swap_oob="true")}
    return answer, came


async def run_campaign(stage: Stage, name: str, channels: int = 4) -> UUID:
    """A rehearsal that runs."""
    account_id = await stage.add_account()
    await stage.add_channels(channels, prefix=f"c{name.lower()[:3]}")
    campaign_id = await stage.add_campaign(account_id, batch=f"c{name.lower()[:3]}")
    await stage.execute("UPDATE campaigns SET name = :name WHERE id = :id", name=name, id=campaign_id)
    return campaign_id


async def test_running_campaigns_are_shown_with_their_live_bars(browser_as: BrowserAs, stage: Stage) -> None:
    ids = [await run_campaign(stage, "Morning"), await run_campaign(stage, "Evening")]
    page = await (await browser_as(Role.VIEWER)).get("/")
    (live,) = [node for node in page.root.walk() if "data-live" in node.attributes]
    address = live.get("data-live")
    assert address.startswith("/live?view=row&campaigns=")
    for campaign_id, name in zip(ids, ("Morning", "Evening"), strict=True):
        assert str(campaign_id) in address
        assert page.root.find("div", id=f"standing-{campaign_id}").get("data-status") == "RUNNING"
        assert page.links[name] == f"/campaigns/{campaign_id}"


async def test_only_parts_that_changed_come_again(browser_as: BrowserAs, stage: Stage) -> None:
    campaign_id = await run_campaign(stage, "Morning")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/")
    answer, came = await refresh(browser, page)
    assert came == set()
    assert parts_address(answer) == parts_address(page)
    # Its counters change: that is told by the stream, not by replacing the bar.
    await stage.execute(
        "UPDATE campaign_progress SET sent = 3, queued = 1, version = version + 1 WHERE campaign_id = :id",
        id=campaign_id,
    )
    _, came = await refresh(browser, page)
    assert came == {"figures"}
    # Another one starts: the list comes, and with it the address of the stream.
    second = await run_campaign(stage, "Evening")
    answer, came = await refresh(browser, page)
    assert {"running", "figures"} <= came
    assert str(second) in answer.html
    assert (await refresh(browser, answer))[1] == set()


async def test_stored_text_never_becomes_markup(browser_as: BrowserAs, stage: Stage) -> None:
    await add_worker(stage, "alive")
    campaign_id = await run_campaign(stage, "Morning")
    await stage.execute(
        "UPDATE campaigns SET name = :evil, status = 'PAUSED', pause_reason = 'ERROR_RATE', status_detail = :evil"
        " WHERE id = :id",
        evil=EVIL,
        id=campaign_id,
    )
    await stage.execute(
        "UPDATE jobs SET status = 'FAILED', error_code = :evil WHERE campaign_id = :id",
        evil=EVIL,
        id=campaign_id,
    )
    await stage.execute(
        "UPDATE campaign_progress SET failed = 4, queued = 0 WHERE campaign_id = :id", id=campaign_id
    )
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/")
    assert page.forbidden_markup() == []
    assert page.text.count(EVIL) >= 4
    part = await browser.get("/overview/parts", headers=PART)
    assert part.forbidden_markup() == []
    assert part.html.count("hx-swap-oob") == 7


async def test_failures_are_summed_by_reason_over_campaigns(browser_as: BrowserAs, stage: Stage) -> None:
    first, second = await run_campaign(stage, "Morning"), await run_campaign(stage, "Evening")
    for campaign_id, code, number in ((first, "CHANNEL_PRIVATE", 3), (second, "CHANNEL_PRIVATE", 1)):
        await stage.execute(
            "UPDATE jobs SET status = 'FAILED', error_code = :code WHERE id IN"
            " (SELECT id FROM jobs WHERE campaign_id = :id ORDER BY id LIMIT :number)",
            code=code,
            id=campaign_id,
            number=number,
        )
        await stage.execute(
            "UPDATE campaign_progress SET failed = :number, queued = queued - :number WHERE campaign_id = :id",
            number=number,
            id=campaign_id,
        )
    browser = await browser_as(Role.VIEWER)
    page = await browser.get("/")
    assert [row[-1] for row in page.rows] == ["4"]
    assert page.rows[0][0] == ("The channel is private, or the account was removed from it. Morning, Evening")
    browser.speak("ru")
    assert "Почему посты не опубликованы" in (await browser.get("/")).text


async def test_accounts_that_wait_are_counted_down(browser_as: BrowserAs, stage: Stage) -> None:
    campaign_id = await run_campaign(stage, "Morning")
    browser = await browser_as(Role.VIEWER)
    page = await browser.get("/")
    assert "Telegram has asked no account to wait." in page.text
    await stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " SELECT account_id, 'SEND', now() + interval '10 minutes', 'FLOOD_WAIT' FROM campaigns WHERE id = :id",
        id=campaign_id,
    )
    answer, came = await refresh(browser, page)
    assert "holds" in came
    assert "Telegram asked the account to wait. It goes on by itself." in answer.text
    assert answer.root.find("time", class_="countdown").get("datetime")


async def test_posts_per_minute_are_drawn_and_told(browser_as: BrowserAs, stage: Stage) -> None:
    campaign_id = await run_campaign(stage, "Morning")
    browser = await browser_as(Role.VIEWER)
    assert "Nothing was posted in this time." in (await browser.get("/")).text
    await stage.execute(
        "INSERT INTO campaign_minutes (campaign_id, minute, sent) VALUES"
        " (:id, date_trunc('minute', now() - interval '30 minutes'), 42),"
        " (:id, date_trunc('minute', now() - interval '5 hours'), 977)",
        id=campaign_id,
    )
    page = await browser.get("/")
    (chart,) = page.root.find_all("svg", class_="columns")
    assert "Posts per minute from" in chart.get("aria-label")
    assert len(chart.find_all("rect")) == 1
    assert "977" not in page.text


async def test_alerts_say_what_to_do_and_lead_there(browser_as: BrowserAs, stage: Stage) -> None:
    campaign_id = await run_campaign(stage, "Morning")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/")
    (alert,) = page.root.find_all("div", class_="alert")[1:]  # the first is the frame's about the connection
    assert "No worker is running, so nothing is posted." in alert.text
    assert "bad" in alert.classes
    assert page.links["To the system page"] == "/system"
    await stage.execute(
        "UPDATE campaigns SET status = 'PAUSED', pause_reason = 'CONTENT_ERROR' WHERE id = :id",
        id=campaign_id,
    )
    page = await browser.get("/")
    assert "Telegram refuses the post of the campaign “Morning” in every channel." in page.text
    assert page.links["To the campaign"] == f"/campaigns/{campaign_id}"


async def test_keys_that_nobody_gave_out_bring_everything(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.VIEWER)
    answer = await browser.get("/overview/parts?keys=nonsense", headers=PART)
    assert len(answer.root.find_all(hx_swap_oob="true")) == 7
    assert (await browser.get("/overview/parts?keys=" + "x" * 10_000, headers=PART)).status == 404
