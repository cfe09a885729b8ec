"""The audit log on its page."""

from tests.integration.console.conftest import BrowserAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

EVIL = "<script>alert(1)</script>"


async def test_what_was_done_is_said_in_words(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR, language="ru")
    await browser.get("/batches/new")
    await browser.post("/batches/new", name=f"Утро {EVIL}")
    page = await browser.get("/audit")
    assert page.rows[0][2] == "Создана подборка"
    assert browser.person is not None
    assert browser.person.email in page.rows[0][1]
    assert EVIL in page.text
    assert page.forbidden_markup() == []


async def test_entries_are_chosen_by_what_who_and_day(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.ADMIN)
    await browser.get("/batches/new")
    await browser.post("/batches/new", name="Morning")
    assert browser.person is not None
    everything = await browser.get("/audit")
    batches = await browser.get("/audit?noun=batch")
    assert [row[2] for row in batches.rows] == ["A batch was made"]
    assert len(everything.rows) > 1
    assert (await browser.get(f"/audit?actor={browser.person.email}&noun=batch")).rows == batches.rows
    for path in ("/audit?actor=nobody", "/audit?day=1999-01-01", "/audit?entity=x"):
        assert "No entry is like this." in (await browser.get(path)).text, path
    for path in (
        "/audit?noun=nonsense",
        "/audit?day=nonsense",
        "/audit?day=9999-12-31",
        "/audit?cursor=nonsense",
    ):
        assert len((await browser.get(path)).rows) == len(everything.rows), path


async def test_only_administrators_see_failed_sign_ins_and_addresses(
    browser_as: BrowserAs, open_browser
) -> None:
    admin, viewer, stranger = (
        await browser_as(Role.ADMIN),
        await browser_as(Role.VIEWER),
        await open_browser(),
    )
    await stranger.post("/sign-in", email="typed@news.example", password="wrong password here")
    assert "A sign-in failed" in (await admin.get("/audit")).text
    assert "127.0.0.1" in (await admin.get("/audit")).text
    page = await viewer.get("/audit")
    assert "A sign-in failed" not in page.text
    assert "127.0.0.1" not in page.text
    assert "Download as CSV" not in page.links


async def test_a_long_log_is_paged(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.VIEWER)
    await stage.execute(
        "INSERT INTO audit_logs (actor_kind, actor, action, entity_type, entity_id, after)"
        " SELECT 'CLI', 'cli', 'batch.created', 'batch', i::text, jsonb_build_object('name', 'b' || i)"
        " FROM generate_series(1, 70) i"
    )
    first = await browser.get("/audit?noun=batch")
    second = await browser.get(first.links["Further"])
    assert (len(first.rows), len(second.rows)) == (50, 20)
    assert "Further" not in second.links
