"""The picture of a template: chosen, shown, replaced, taken off, and refused in words."""

import re
from typing import Any

import pytest

from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.support.pages import Page
from tests.support.pictures import make_gif, make_jpeg, make_png
from tests.support.recordings import make_mp3, make_mp4
from tests.support.stage import Stage
from vestnik.domain.media import LARGEST_PHOTO
from vestnik.domain.users import Role

NEW = {"name": "Morning news", "content": "Good morning", "parse_mode": "", "link_preview": "on"}


async def choose(browser: Browser, content: bytes, name: str = "morning.jpg", **fields: str) -> Page:
    """What htmx does as soon as a file is chosen; the part of the page that it gets."""
    return await browser.post("/templates/picture", files={"file": (name, content)}, headers=PART, **fields)


async def count_media(stage: Stage) -> int:
    return len(await stage.execute("SELECT 1 FROM media"))


async def test_a_chosen_picture_is_shown_and_saved_with_the_template(
    browser_as: BrowserAs, stage: Stage
) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    content = make_jpeg(800, 600)
    part = await choose(browser, content)
    assert part.status == 200
    assert part.response.headers["HX-Trigger-After-Settle"] == "picture-changed"
    media_id = part.value("media_id")
    assert part.root.find("img").get("src") == f"/templates/picture/{media_id}"
    assert "800 × 600" in part.text
    shown = await browser.post("/templates/preview", headers=PART, **NEW, media_id=media_id)
    assert f'<img src="/templates/picture/{media_id}"' in shown.html
    assert "12 of 1,024" in shown.text
    page = await browser.submit("/templates/new", **NEW, media_id=media_id)
    assert page.value("media_id") == media_id
    assert str((await stage.one("SELECT media_id FROM templates")).media_id) == media_id
    assert (await browser.get("/templates")).rows[0][2] == "with a picture"


async def test_the_picture_is_streamed_as_it_is_and_can_run_nothing(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    content = make_png(300, 200)
    media_id = (await choose(browser, content, "пост.png")).value("media_id")
    viewer = await browser_as(Role.VIEWER)
    answer = (
        await viewer.get(f"/templates/picture/{media_id}", headers={"Accept-Encoding": "gzip"})
    ).response
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "immutable" in answer.headers["cache-control"]
    assert "private" in answer.headers["cache-control"]
    assert (await viewer.get("/templates/picture/7d7f6a3e-2f0c-4a55-8f53-3d38c0a0c4d1")).status == 404


async def test_a_picture_is_replaced_and_taken_off(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    first = (await choose(browser, make_jpeg())).value("media_id")
    await browser.get("/templates/new")
    path = (await browser.post("/templates/new", **NEW, media_id=first)).location
    second = (await choose(browser, make_png(), "other.png", media_id=first)).value("media_id")
    assert second not in ("", first)
    await browser.get(path)
    await browser.submit(path, **NEW, media_id=second)
    assert str((await stage.one("SELECT media_id FROM templates")).media_id) == second
    part = await browser.post("/templates/picture", headers=PART, media_id=second, remove="yes")
    assert (part.value("media_id"), part.root.find_all("img")) == ("", [])
    await browser.submit(path, **NEW, media_id="")
    row = await stage.one("SELECT media_id, media_type FROM templates")
    assert (row.media_id, row.media_type) == (None, None)


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty.jpg"),
        (b"<html><script>alert(1)</script>", "picture.jpg"),
        (make_gif(), "moving.gif"),
        (make_jpeg(9_000, 2_000), "large.jpg"),
        (make_jpeg(2_100, 100), "flat.jpg"),
        (make_jpeg(size=LARGEST_PHOTO + 1), "heavy.jpg"),
        (make_jpeg(), "x" * 300 + ".jpg"),
    ],
    ids=["empty", "no picture", "gif", "too many pixels", "too flat", "too heavy", "name"],
)
async def test_a_file_that_telegram_would_refuse_is_explained_at_the_field(
    browser_as: BrowserAs, stage: Stage, content: bytes, name: str, language: str
) -> None:
    browser = await browser_as(Role.OPERATOR, language=language)
    kept = (await choose(browser, make_jpeg())).value("media_id")
    part = await choose(browser, content, name, media_id=kept)
    assert part.status == 422
    assert part.problems["file"]
    assert any("а" <= letter <= "я" for letter in part.problems["file"]) == (language == "ru")
    assert part.value("media_id") == kept
    assert await count_media(stage) == 1


async def test_without_scripts_the_picture_comes_with_the_form(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    answer = await browser.post(
        "/templates/new", files={"file": ("a.jpg", make_jpeg())}, **NEW, media_id="", media_url=""
    )
    assert answer.status == 303
    row = await stage.one("SELECT t.media_type, m.name FROM templates t JOIN media m ON m.id = t.media_id")
    assert (row.media_type, row.name) == ("photo", "a.jpg")


async def test_a_refused_form_keeps_no_picture(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    files = {"file": ("a.jpg", make_jpeg())}
    page = await browser.post("/templates/new", files=files, **(NEW | {"content": "{nobody}"}))
    assert (page.status, bool(page.problems["content"])) == (422, True)
    page = await browser.post("/templates/new", files={"file": ("a.jpg", make_gif())}, **NEW)
    assert (page.status, bool(page.problems["file"])) == (422, True)
    assert page.value("content") == NEW["content"]
    assert await count_media(stage) == 0


async def test_a_text_too_long_beside_a_picture_is_refused(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    media_id = (await choose(browser, make_jpeg())).value("media_id")
    page = await browser.post("/templates/new", **(NEW | {"content": "x" * 1_025}), media_id=media_id)
    assert page.status == 422
    assert "1,025 of 1,024" in re.sub(r"\s+", " ", page.problems["content"])
    assert page.value("media_id") == media_id
    assert await stage.execute("SELECT 1 FROM templates") == []
    await browser.submit("/templates/new", **(NEW | {"content": ""}), media_id=media_id)


async def test_an_address_can_be_kept_in_its_place(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    address = "https://news.example/1.mp4"
    page = await browser.submit("/templates/new", **NEW, media_url=address, media_type="video")
    assert (page.value("media_url"), page.value("media_type")) == (address, "video")
    media_id = (await choose(browser, make_jpeg())).value("media_id")
    path = page.response.request.url.path
    page = await browser.post(path, **NEW, media_url=address, media_type="video", media_id=media_id)
    assert (page.status, bool(page.problems["media_id"])) == (422, True)
    await browser.submit(path, **NEW, media_url="", media_type="video", media_id=media_id)
    row = await stage.one("SELECT media_url, media_type FROM templates")
    assert (row.media_url, row.media_type) == (None, "photo")


async def test_who_comes_too_late_sees_the_stored_picture_and_choices(browser_as: BrowserAs) -> None:
    slow, quick = await browser_as(Role.OPERATOR), await browser_as(Role.OPERATOR)
    await quick.get("/templates/new")
    mine = (await choose(quick, make_jpeg(800, 600), "mine.jpg")).value("media_id")
    theirs = (await choose(quick, make_jpeg(640, 480), "theirs.jpg")).value("media_id")
    answer = await quick.post("/templates/new", **NEW, media_id=mine)
    path = answer.location
    await slow.get(path)
    await quick.get(path)
    changed = {name: value for name, value in NEW.items() if name != "link_preview"}
    await quick.submit(path, **changed, media_id=theirs)
    page = await slow.post(path, **NEW, media_id=mine)
    assert page.status == 412
    assert page.value("media_id") == mine
    stored = page.root.find("details", class_="help")
    assert stored.find("img").get("src") == f"/templates/picture/{theirs}"
    assert "theirs.jpg (640 × 480)" in stored.text
    assert "Preview of the first link not shown" in stored.text
    await quick.get(path)
    await quick.submit(
        path, **changed, media_id="", media_url="https://news.example/a.mp4", media_type="video"
    )
    stored = (await slow.post(path, **NEW, media_id=mine)).root.find("details", class_="help")
    assert not stored.find_all("img")
    assert "Video: https://news.example/a.mp4" in stored.text


async def test_viewers_see_which_picture_a_template_has(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    media_id = (await choose(browser, make_jpeg(800, 600))).value("media_id")
    path = (
        await browser.post("/templates/new", **(NEW | {"parse_mode": "MARKDOWN"}), media_id=media_id)
    ).location
    page = await (await browser_as(Role.VIEWER)).get(path)
    facts = page.root.find("dl", class_="facts")
    assert "morning.jpg (800 × 600)" in facts.text
    assert "Formatting Markdown" in facts.text
    assert page.links["Templates"] == "/templates"
    assert not page.forms(path)


async def test_names_of_files_never_become_markup(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    part = await choose(browser, make_jpeg(), "<script>alert(1)<script><img src=x onerror=alert(1)>.jpg")
    assert (part.status, part.forbidden_markup()) == (200, [])


async def test_viewers_upload_nothing(browser_as: BrowserAs, stage: Stage) -> None:
    assert (await choose(await browser_as(Role.VIEWER), make_jpeg())).status == 403
    assert await count_media(stage) == 0


async def add(browser: Browser, content: bytes, name: str, *, kind: str = "", **fields: Any) -> Page:
    """A further file, chosen."""
    file = (name, content, kind) if kind else (name, content)
    return await browser.post("/templates/picture", files={"added": file}, headers=PART, **fields)


def list_chosen(page: Page) -> list[str]:
    """The files of a form, in their order."""
    inputs = page.root.find_all("input")
    return [item.get("value") for item in inputs if item.get("name") == "media_id" and item.get("value")]


async def test_an_album_is_put_together_rearranged_and_saved(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    first = list_chosen(await choose(browser, make_jpeg(800, 600)))
    both = list_chosen(await add(browser, make_mp4(), "film.mp4", kind="video/mp4", media_id=first))
    assert (both[0], len(both)) == (first[0], 2)
    three = list_chosen(await add(browser, make_png(), "third.png", media_id=both))
    assert (three[:2], len(three)) == (both, 3)
    moved = await browser.post("/templates/picture", headers=PART, media_id=three, earlier=three[2])
    assert list_chosen(moved) == [three[0], three[2], three[1]]
    assert "film.mp4" in moved.text
    less = await browser.post("/templates/picture", headers=PART, media_id=three, remove=three[0])
    assert list_chosen(less) == three[1:]
    shown = await browser.post("/templates/preview", headers=PART, **NEW, media_id=three)
    assert shown.html.count("<img src=") == 2
    assert "film.mp4" in shown.text
    assert "12 of 1,024" in shown.text
    pressed = NEW | {"buttons": "Read https://news.example/"}
    warned = await browser.post("/templates/preview", headers=PART, **pressed, media_id=three)
    assert "an album has no buttons" in warned.text.lower()
    page = await browser.submit("/templates/new", **NEW, media_id=three)
    assert list_chosen(page) == three
    row = await stage.one("SELECT media_id, media_ids, media_type FROM templates")
    assert ([str(each) for each in row.media_ids], str(row.media_id)) == (three, three[0])
    assert row.media_type == "photo"


async def test_a_file_that_does_not_go_with_the_others_is_not_added(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    content = make_jpeg()
    first = list_chosen(await choose(browser, content))
    refused = await add(browser, b"%PDF-1.7", "a.pdf", media_id=first)
    assert (refused.status, bool(refused.problems["added"])) == (422, True)
    twice = await add(browser, content, "morning.jpg", media_id=first)
    assert (twice.status, "twice" in twice.problems["added"]) == (422, True)
    assert list_chosen(refused) == list_chosen(twice) == first


async def test_without_scripts_a_file_is_added_with_the_form(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    first = list_chosen(await choose(browser, make_jpeg()))
    await browser.get("/templates/new")
    added = {"added": ("b.png", make_png())}
    answer = await browser.post("/templates/new", files=added, **NEW, media_id=first, media_url="")
    assert answer.status == 303
    row = await stage.one("SELECT media_ids FROM templates")
    assert (str(row.media_ids[0]), len(row.media_ids)) == (first[0], 2)


@pytest.mark.parametrize(
    ("content", "name", "asked", "kind"),
    [
        (make_jpeg(), "a.jpg", "document", "document"),
        (make_mp3(), "song.mp3", "", "audio"),
        (make_mp4(), "film.mp4", "", "video"),
        (make_mp4(sound=False), "loop.mp4", "animation", "animation"),
        (b"%PDF-1.7 a few words", "paper.pdf", "", "document"),
    ],
)
async def test_any_file_may_be_the_first_one(
    browser_as: BrowserAs, stage: Stage, content: bytes, name: str, asked: str, kind: str
) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    part = await choose(browser, content, name, file_kind=asked)
    assert (part.status, part.problems) == (200, {})
    await browser.submit("/templates/new", **NEW, media_id=list_chosen(part))
    assert (await stage.one("SELECT media_type FROM templates")).media_type == kind


async def test_an_album_of_documents_begins_with_a_document(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    first = list_chosen(await choose(browser, b"%PDF-1.7 one", "one.pdf"))
    both = list_chosen(await add(browser, make_jpeg(), "two.jpg", media_id=first))
    await browser.submit("/templates/new", **NEW, media_id=both)
    kinds = await stage.execute("SELECT kind FROM media")
    assert [row.kind for row in kinds] == ["document", "document"]


async def test_a_file_that_is_not_what_it_is_posted_as_is_explained(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    part = await choose(browser, make_jpeg(), "a.jpg", file_kind="voice")
    assert (part.status, bool(part.problems["file"])) == (422, True)
    made_up = await choose(browser, make_jpeg(), "a.jpg", file_kind="hologram")
    assert (made_up.status, bool(made_up.problems["file"])) == (422, True)
