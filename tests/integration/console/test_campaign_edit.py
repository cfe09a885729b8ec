"""Changing a campaign, and correcting the post of one that is paused."""

from typing import Any

import pytest

from tests.integration.console.campaigns import EVIL, World
from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.support.pictures import make_jpeg
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role

PACE = {"delivery_rate": "5", "retry_limit": "2", "max_error_rate": "20"}


async def _pause(world: World) -> CampaignId:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=3)
    await world.stage.pause(campaign_id)
    return campaign_id


async def test_a_draft_can_be_changed_in_all(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(name="Spring")
    await world.stage.add_channels(3, "other")
    other = await world.stage.one("SELECT id FROM batches WHERE name = 'other'")
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/edit"
    page = await browser.get(path)
    assert (page.value("name"), page.values("batch_id"), page.value("delivery_rate")) == (
        "Spring",
        [str(world.batch_id)],
        "20",
    )
    typed = PACE | {"name": "Summer", "mode": "TEST", "account_id": str(world.account_id)}
    page = await browser.submit(path, batch_id=str(other.id), template_id=str(world.template_id), **typed)
    assert (page.title, page.notice) == ("Summer", "Saved.")
    row = await world.stage.read_campaign(campaign_id)
    assert (row.batch_id, row.template_id, float(row.delivery_rate)) == (other.id, world.template_id, 5)
    assert (row.retry_limit, float(row.max_error_rate)) == (2, 0.2)


async def test_a_started_one_keeps_its_channels_and_post(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/edit"
    page = await browser.get(path)
    assert page.root.find_all(name="batch_id") == page.root.find_all(name="mode") == []
    page = await browser.submit(path, name="Other", **PACE)
    assert page.title == "Other"
    await browser.get(path)
    page = await browser.post(path, name="Other", batch_id="00000000-0000-0000-0000-000000000000", **PACE)
    assert (page.status, bool(page.problems)) == (409, True)


async def test_an_ended_one_keeps_everything_but_its_name(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(start=True)
    await world.post(campaign_id, sent=10)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/edit"
    page = await browser.get(path)
    assert page.root.find_all(name="delivery_rate") == []
    assert (await browser.submit(path, name="Other")).title == "Other"


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_change_of_somebody_else_is_not_lost(
    browser_as: BrowserAs, world: World, language: str
) -> None:
    campaign_id = await world.add_campaign(name="Spring", start=True)
    browser = await browser_as(Role.OPERATOR, language=language)
    path = f"/campaigns/{campaign_id}/edit"
    await browser.get(path)
    await world.stage.execute("UPDATE campaigns SET name = 'Theirs', revision = revision + 1")
    page = await browser.post(path, name="Mine", **PACE)
    assert (page.status, page.value("name"), page.value("delivery_rate")) == (412, "Mine", "5")
    assert "Theirs" in page.text
    assert ("Somebody else" in page.problems[""]) == (language == "en")
    assert (await world.stage.read_campaign(campaign_id)).name == "Theirs"
    page = await browser.submit(path, name="Mine", **PACE)  # seen what is stored, and saved again
    assert page.title == "Mine"


async def test_what_is_wrong_is_said_at_its_field_and_kept(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await world.add_campaign(name="Spring")
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/edit"
    await browser.get(path)
    page = await browser.post(path, **(PACE | {"name": "Kept", "delivery_rate": "fast"}))
    assert (page.status, page.value("name"), page.value("delivery_rate")) == (422, "Kept", "fast")
    assert page.problems["delivery_rate"]
    assert (await world.stage.read_campaign(campaign_id)).name == "Spring"
    page = await browser.post(path, go="look", name="Kept", batch_search="nothing", **PACE)
    assert (page.status, page.value("name"), page.problems) == (200, "Kept", {})


async def test_the_post_of_a_paused_campaign_is_corrected(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}"
    assert (await browser.get(path)).links["Correct the post"] == f"{path}/content"
    page = await browser.get(f"{path}/content")
    assert page.value("content").startswith("campaign")
    assert "In 3 channels the old one stays." in page.text
    page = await browser.post(f"{path}/content", go="look", content="<b>New</b>", parse_mode="HTML")
    assert page.root.find(class_="post").find("b").text == "New"
    await browser.get(f"{path}/content")
    page = await browser.submit(f"{path}/content", content="<b>New</b>", parse_mode="HTML", link_preview="on")
    assert "The post is corrected." in page.notice
    assert page.root.find(class_="post").find("b").text == "New"
    assert any("The post of a campaign was corrected" in cell for row in page.rows for cell in row)


async def test_a_post_that_cannot_be_read_is_explained_and_kept(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    for typed in ("<b>open", "", "x" * 5000, f"<b>{EVIL}"):
        await browser.get(path)
        page = await browser.post(path, content=typed, parse_mode="HTML")
        assert page.status == 422, typed
        assert page.problems, typed
        assert page.value("content") == typed
        assert page.forbidden_markup() == []
    await browser.get(path)
    await world.stage.execute("UPDATE campaigns SET revision = revision + 1")
    page = await browser.post(path, content="Mine", parse_mode="")
    assert (page.status, page.value("content")) == (412, "Mine")
    assert "Somebody else changed this campaign" in page.problems[""]


async def test_only_a_paused_campaign_is_corrected(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    await browser.get(path)
    await world.stage.resume(campaign_id)
    page = await browser.post(path, content="Too late", parse_mode="")
    assert page.status in {409, 412}
    assert page.value("content") == "Too late"
    assert (await browser.get(path)).location == f"/campaigns/{campaign_id}"
    draft = await world.add_campaign()
    assert (await browser.get(f"/campaigns/{draft}/content")).location == f"/campaigns/{draft}"


async def test_a_viewer_changes_nothing(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    viewer = await browser_as(Role.VIEWER)
    for name in ("edit", "content"):
        assert (await viewer.get(f"/campaigns/{campaign_id}/{name}")).status == 403
        assert (await viewer.post(f"/campaigns/{campaign_id}/{name}", content="x")).status == 403


async def test_a_post_that_another_version_froze_is_not_to_be_corrected_after_the_end(
    browser_as: BrowserAs, world: World
) -> None:
    campaign_id = await _pause(world)
    await world.stage.cancel(campaign_id)
    await world.stage.execute("""UPDATE campaigns SET content = '{"format": 99}'""")
    page = await (await browser_as(Role.OPERATOR)).get(f"/campaigns/{campaign_id}")
    (problem,) = page.root.find_all("p", class_="bad")
    assert problem.text.endswith("cannot show it. What was posted stays as it is.")


async def test_a_post_that_another_version_froze_is_replaced(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    await world.stage.execute(
        """UPDATE campaigns SET content = '{"format": 99, "files": [{"kind": "hologram"}]}'"""
    )
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/campaigns/{campaign_id}")
    assert page.status == 200
    (problem,) = page.root.find_all("p", class_="bad")
    assert problem.text.endswith("cannot read it. Write the post anew to go on.")
    path = f"/campaigns/{campaign_id}/content"
    page = await browser.get(path)
    assert (page.status, page.value("content")) == (200, "")
    assert "Another version of Vestnik has stored this post" in page.text
    page = await browser.post(path, content="Whole again", parse_mode="")
    assert (page.status, bool(page.problems["without_file"])) == (422, True)
    page = await browser.submit(path, content="Whole again", parse_mode="", without_file="on")
    assert "Whole again" in page.root.find(class_="post").text


async def test_a_correction_says_how_it_is_posted(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    await browser.get(path)
    await browser.submit(path, content="New", parse_mode="", silent="on", link_preview_size="small")
    page = await browser.get(path)
    assert (page.value("silent"), page.value("link_preview_size")) == ("on", "small")
    await browser.submit(path, content="New", parse_mode="", protect_content="on")
    page = await browser.get(path)
    assert (page.value("silent"), page.value("protect_content")) == ("", "on")


async def _store(browser: Browser, content: bytes) -> str:
    files = {"file": ("a.jpg", content)}
    part = await browser.post("/templates/picture", files=files, headers=PART, files_for="campaign")
    return part.value("media_id")


async def _read_stored(world: World, campaign_id: CampaignId) -> Any:
    return (await world.stage.read_campaign(campaign_id)).content


async def test_a_correction_changes_the_files(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    await browser.get(path)
    first, second = await _store(browser, make_jpeg()), await _store(browser, make_jpeg(80, 60))
    page = await browser.get(path)
    assert page.root.find("form", action=path).get("enctype") == "multipart/form-data"
    looked = await browser.post(path, go="look", content="New", parse_mode="", media_id=[first, second])
    assert looked.html.count(f'src="/templates/picture/{second}"') == 2, "in the form and in the post"
    await browser.get(path)
    await browser.submit(path, content="New", parse_mode="", media_id=[first, second])
    stored = await _read_stored(world, campaign_id)
    assert [file["id"] for file in stored["files"]] == [first, second]
    page = await browser.get(path)
    kept = [item.get("value") for item in page.root.find_all("input", name="media_id")]
    assert kept == [first, second]
    await browser.submit(path, content="Newer", parse_mode="", media_id=[second])
    stored = await _read_stored(world, campaign_id)
    assert ([file["id"] for file in stored["files"]], stored["source"]) == ([second], "Newer")
    await browser.get(path)
    await browser.submit(path, content="Bare", parse_mode="", media_id="")
    assert not (await _read_stored(world, campaign_id)).get("files")


async def test_a_file_that_comes_with_a_correction_is_posted_with_it(
    browser_as: BrowserAs, world: World
) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    await browser.get(path)
    answer = await browser.post(path, files={"file": ("a.jpg", make_jpeg())}, content="New", parse_mode="")
    assert answer.status == 303, answer.text
    assert len((await _read_stored(world, campaign_id))["files"]) == 1
    await browser.get(path)
    refused = await browser.post(path, files={"file": ("a.jpg", b"<html>")}, content="Mine", parse_mode="")
    assert (refused.status, bool(refused.problems["file"]), refused.value("content")) == (422, True, "Mine")


async def test_a_file_at_an_address_stays_with_a_correction_until_another_is_chosen(
    browser_as: BrowserAs, world: World
) -> None:
    campaign_id = await _pause(world)
    await world.stage.execute(
        "UPDATE campaigns SET content = content || CAST(:address AS jsonb)",
        address='{"fetch": {"kind": "photo", "url": "https://pictures.example/a.jpg"}}',
    )
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    await browser.get(path)
    await browser.submit(path, content="New", parse_mode="", media_id="")
    assert (await _read_stored(world, campaign_id))["fetch"]["url"] == "https://pictures.example/a.jpg"
    page = await browser.get(path)
    assert page.root.find_all("input", name="without_file")
    await browser.submit(path, content="New", parse_mode="", media_id="", without_file="on")
    assert not (await _read_stored(world, campaign_id)).get("fetch")


async def test_the_buttons_of_a_bots_campaign_are_corrected(browser_as: BrowserAs, world: World) -> None:
    campaign_id = await _pause(world)
    browser = await browser_as(Role.OPERATOR)
    path = f"/campaigns/{campaign_id}/content"
    assert not (await browser.get(path)).root.find_all("textarea", name="buttons")
    bot = await world.stage.one(
        "INSERT INTO accounts (name, kind, rate) VALUES ('herald', 'BOT', 20) RETURNING id"
    )
    await world.stage.execute("ALTER TABLE jobs DROP CONSTRAINT jobs_campaign_id_account_id_fkey")
    await world.stage.execute(
        "UPDATE campaigns SET mode = 'LIVE', account_kind = 'BOT', account_id = :bot", bot=bot.id
    )
    await browser.get(path)
    typed = "Read https://news.example/ | Join https://t.me/news"
    await browser.submit(path, content="New", parse_mode="", buttons=typed)
    assert len((await _read_stored(world, campaign_id))["buttons"][0]) == 2
    page = await browser.get(path)
    assert page.value("buttons") == typed
    refused = await browser.post(path, content="New", parse_mode="", buttons="Read nothing")
    assert (refused.status, bool(refused.problems["buttons"])) == (422, True)
    await browser.get(path)
    await browser.submit(path, content="New", parse_mode="", buttons="")
    assert not (await _read_stored(world, campaign_id)).get("buttons")
