"""The first steps: each is marked when it is done, and the next one is a link."""

from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.pages import Page
from tests.support.stage import Stage
from vestnik.domain.users import Role


def read_next(page: Page) -> str:
    """The heading of the step that is next."""
    (step,) = page.root.find_all("li", aria_current="step")
    return step.find("h2").text


async def test_the_way_from_nothing_to_the_first_start(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/setup")
    assert read_next(page) == "Channels to post in Next step"
    assert (await browser.get(page.links["Import channels"])).value("target") == "new"
    page = await browser.get("/setup")
    assert len(page.root.find_all("li", class_="done")) == 2
    assert "No worker is running" in page.text

    await stage.execute("INSERT INTO channels (username) VALUES ('morning_news')")
    page = await browser.get("/setup")
    assert page.links["Make a batch"] == "/batches/new"

    await stage.add_channels(3)
    assert read_next(await browser.get("/setup")) == "A post Next step"

    await stage.execute("INSERT INTO templates (name, content) VALUES ('t', 'words')")
    page = await browser.get("/setup")
    assert read_next(page) == "A campaign Next step"
    batch = await stage.one("SELECT id FROM batches")
    template = await stage.one("SELECT id FROM templates")
    assert (
        page.links["Make the campaign"] == f"/campaigns/new?mode=TEST&batch={batch.id}&template={template.id}"
    )

    rehearsal = await stage.one("SELECT id FROM accounts WHERE name = 'rehearsal'")
    campaign_id = await stage.add_campaign(rehearsal.id, start=False)
    page = await browser.get("/setup")
    assert read_next(page) == "Start it Next step"
    assert page.links["To the campaign"] == f"/campaigns/{campaign_id}"

    await stage.start(campaign_id)
    page = await browser.get("/setup")
    assert "everything is set up" in page.text
    assert len(page.root.find_all("li", class_="done")) == 6
    assert "Go on with the set-up" not in (await browser.get("/")).links


async def test_the_overview_leads_to_it_until_somebody_knows_his_way(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    assert (await browser.get("/")).links["Go on with the set-up"] == "/setup"
    await browser.get("/setup")
    page = await browser.submit("/setup/dismiss")
    assert "Go on with the set-up" not in page.links
    assert page.links["Open the set-up"] == "/setup"
    await browser.get("/setup")
    await browser.submit("/setup/recall")
    assert (await browser.get("/")).links["Go on with the set-up"] == "/setup"


async def test_viewers_are_not_sent_where_they_may_not_go(browser_as: BrowserAs) -> None:
    browser: Browser = await browser_as(Role.VIEWER)
    page = await browser.get("/")
    assert "/setup" not in page.links.values()
    assert "/campaigns/new" not in page.links.values()
    assert "Once an operator starts one" in page.text
    assert (await browser.get("/setup")).status == 403


async def test_it_speaks_russian(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.OPERATOR, language="ru")).get("/setup")
    assert page.title == "К первой кампании"
    assert page.links["Написать шаблон"] == "/templates/new"


async def test_a_real_account_is_named(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    assert "An administrator adds it under Accounts" in (await browser.get("/setup")).text
    await stage.execute("INSERT INTO accounts (name, kind, rate) VALUES ('<b>Newsroom', 'USER', 20)")
    page = await browser.get("/setup")
    assert "<b>Newsroom (Active)" in page.text
    assert page.forbidden_markup() == []
