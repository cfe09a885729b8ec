"""Importing lists of channels: the preview that stores nothing, and the import that does what it said."""

import hashlib

import pytest

from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.pages import Page
from tests.support.stage import Stage
from vestnik.console.channel_lists import CARRIED_BYTES
from vestnik.domain.users import Role

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
IMPORT = "/channels/import"


async def read_names(stage: Stage) -> list[str]:
    rows = await stage.execute("SELECT username FROM channels WHERE deleted_at IS NULL ORDER BY username")
    return [row.username for row in rows]


async def read_members(stage: Stage, batch: str) -> list[str]:
    rows = await stage.execute(
        "SELECT c.username FROM batch_channels m JOIN batches b ON b.id = m.batch_id"
        " JOIN channels c ON c.id = m.channel_id WHERE b.name = :batch ORDER BY m.position",
        batch=batch,
    )
    return [row.username for row in rows]


async def open_import(browser_as: BrowserAs, language: str = "en") -> Browser:
    browser = await browser_as(Role.OPERATOR, language=language)
    await browser.get(IMPORT)
    return browser


def read_figures(page: Page) -> dict[str, str]:
    """The numbers of a preview by what they say."""
    (figures,) = page.root.find_all("dl", class_="figures")
    return {box.find("dt").text: box.find("dd").text for box in figures.find_all("div")}


async def go_on(browser: Browser, page: Page, **fields: object) -> Page:
    """Press the preview's button to import; everything that its form carries goes along."""
    (form,) = page.forms(IMPORT)
    button = form.find("button", name="step", value="import")
    given = {area.get("name"): area.raw_text.removeprefix("\n") for area in form.find_all("textarea")}
    return await browser.post(IMPORT, **{"step": button.get("value"), **given, **fields})


async def test_a_preview_counts_everything_and_stores_nothing(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.execute("INSERT INTO channels (username) VALUES ('known_news')")
    browser = await open_import(browser_as)
    text = "@one_news\n@known_news\nt.me/ONE_news\nno name\n\nhttps://t.me/+AbC\n"
    page = await browser.post(IMPORT, step="preview", text=text, target="none")
    assert page.status == 200
    assert read_figures(page) == {
        "New channels": "1",
        "Known already": "1",
        "Named once more": "1",
        "Cannot be read": "2",
    }
    assert [row[:2] for row in page.rows] == [
        ["3", "t.me/ONE_news"],
        ["4", "no name"],
        ["6", "https://t.me/+AbC"],
    ]
    assert "line 1" in page.rows[0][2]
    assert await read_names(stage) == ["known_news"]
    assert await stage.execute("SELECT 1 FROM audit_logs WHERE action = 'channels.imported'") == []


async def test_the_import_does_what_the_preview_said(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, step="preview", text="@two_news\n@one_news\nbad line\n", target="none")
    page = await browser.follow(await go_on(browser, page))
    assert page.title == "The list is imported"
    assert read_figures(page) == {"New channels": "2", "Known already": "0", "Lines left out": "1"}
    assert await read_names(stage) == ["one_news", "two_news"]


async def test_a_list_comes_into_a_new_batch_in_its_order(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(
        IMPORT, step="preview", text="@two_news\n@one_news", target="new", batch_name="Morning"
    )
    assert read_figures(page)["Come into the batch Morning"] == "2"
    assert await stage.execute("SELECT 1 FROM batches") == []
    page = await browser.follow(await go_on(browser, page))
    assert read_figures(page)["Came into the batch Morning"] == "2"
    batch = await stage.one("SELECT id FROM batches WHERE name = 'Morning'")
    assert page.links["Start a campaign with it"] == f"/campaigns/new?batch={batch.id}"
    assert await read_members(stage, "Morning") == ["two_news", "one_news"]


async def test_a_list_comes_into_a_batch_that_is_there(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    batch = await stage.one("SELECT id FROM batches")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"{IMPORT}?batch={batch.id}")
    assert (page.values("target"), page.value("batch")) == (["existing"], "first")
    text = "first_00001\n@one_news"
    page = await browser.post(IMPORT, step="preview", text=text, target="existing", batch="first")
    assert read_figures(page)["Come into the batch first"] == "1"
    await browser.follow(await go_on(browser, page))
    assert await read_members(stage, "first") == ["first_00001", "one_news"]


async def test_known_channels_alone_are_nothing_to_import(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, step="preview", text="first_00001", target="none")
    assert "There is nothing to do" in page.text
    assert not page.root.find_all("button", value="import")


async def test_an_import_sent_twice_happens_once(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, step="preview", text="@one_news", target="new", batch_name="Morning")
    first, second = await go_on(browser, page), await go_on(browser, page)
    assert first.status == 303
    assert first.location == second.location
    assert len(await stage.execute("SELECT 1 FROM audit_logs WHERE action = 'channels.imported'")) == 1


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"text": ""}, 422, "text"),
        ({"text": "no name\nnor this"}, 422, "text"),
        ({"text": "@one_news", "target": "new", "batch_name": ""}, 422, "batch_name"),
        ({"text": "@one_news", "target": "new", "batch_name": "first"}, 409, "batch_name"),
        ({"text": "@one_news", "target": "existing", "batch": ""}, 422, "batch"),
        ({"text": "@one_news", "target": "existing", "batch": "no such"}, 404, "batch"),
        ({"text": f"{EVIL}\n{EVIL}"}, 422, "text"),
    ],
)
@pytest.mark.parametrize("step", ["preview", "import"])
async def test_what_cannot_be_imported_is_refused_at_its_field(
    browser_as: BrowserAs, stage: Stage, fields: dict[str, str], status: int, field: str, step: str
) -> None:
    await stage.add_channels(1)
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, step=step, **fields)
    assert page.status == status
    assert page.problems.get(field)
    assert {name: page.value(name) for name in fields} == fields
    assert not page.forbidden_markup()
    assert await read_names(stage) == ["first_00001"]
    assert len(await stage.execute("SELECT 1 FROM batches")) == 1


async def test_going_back_from_the_preview_keeps_what_was_typed(browser_as: BrowserAs) -> None:
    browser = await open_import(browser_as)
    text = "@one_news\n\n  bad <line>\n"
    await browser.post(IMPORT, step="preview", text=text, target="new", batch_name="Morning")
    page = await browser.post(IMPORT, step="edit", text=text)
    assert page.title == "Import channels"
    assert (page.value("text"), page.values("target"), page.value("batch_name")) == (text, ["new"], "Morning")


async def test_a_file_survives_the_preview(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    data = "﻿channel;title\r\none_news;Утро\r\nplain;Вечер\r\n".encode()
    page = await browser.post(
        IMPORT, files={"file": ("list.csv", data)}, step="preview", text="", target="none"
    )
    assert read_figures(page)["New channels"] == "2"
    assert "taken from column 1" in page.text
    await browser.follow(await go_on(browser, page))
    rows = await stage.execute("SELECT username, title FROM channels ORDER BY username")
    assert [tuple(row) for row in rows] == [("one_news", "Утро"), ("plain", "Вечер")]


async def test_the_name_of_a_file_tells_that_a_lone_word_is_a_heading(
    browser_as: BrowserAs, stage: Stage
) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, files={"file": ("list.CSV", b"channel\none_news\n")}, step="preview")
    await browser.follow(await go_on(browser, page))
    assert await read_names(stage) == ["one_news"]


async def test_a_file_of_a_russian_spreadsheet_is_understood(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    data = "канал;название\r\none_news;Утро\r\n".encode("cp1251")
    page = await browser.post(IMPORT, files={"file": ("list.csv", data)}, step="preview")
    assert "it was read as Windows-1251" in page.text
    assert "канал;название" in page.text
    await browser.follow(await go_on(browser, page))
    assert (await stage.one("SELECT title FROM channels")).title == "Утро"


async def test_another_encoding_can_be_chosen(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    data = "channel;title\r\none_news;Утро\r\n".encode("koi8-r")
    page = await browser.post(IMPORT, files={"file": ("list.csv", data)}, step="preview", encoding="koi8-r")
    await browser.follow(await go_on(browser, page))
    assert (await stage.one("SELECT title FROM channels")).title == "Утро"


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"@one_news\n\x98\xff\x00", b"", b"\x89PNG\r\n\x1a\n\x00"])
async def test_a_file_that_is_no_list_is_refused(browser_as: BrowserAs, stage: Stage, data: bytes) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, files={"file": ("picture.png", data)}, step="preview", text="")
    assert page.status == 422
    assert page.problems.get("file")
    assert await read_names(stage) == []


async def test_a_text_and_a_file_at_once_are_refused(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(
        IMPORT, files={"file": ("list.txt", b"@one_news")}, step="preview", text="@two_news"
    )
    assert page.problems["file"]
    assert page.value("text") == "@two_news"


def make_large_file() -> bytes:
    data = "".join(f"https://t.me/large_news_channel_{number:06}\n" for number in range(30_000)).encode()
    assert len(data) > CARRIED_BYTES
    return data


async def test_a_large_file_is_chosen_once_more(browser_as: BrowserAs, stage: Stage) -> None:
    data = make_large_file()
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, files={"file": ("large.txt", data)}, step="preview")
    assert read_figures(page)["New channels"] == "30,000"
    assert "Choose large.txt once more" in page.text
    assert len(page.html) < 30_000
    assert hashlib.sha256(data).hexdigest() in page.html
    page = await go_on(browser, page, files={"file": ("large.txt", data)})
    assert (await browser.follow(page)).title == "The list is imported"
    assert len(await read_names(stage)) == 30_000


async def test_another_file_than_the_one_looked_at_is_looked_at_first(
    browser_as: BrowserAs, stage: Stage
) -> None:
    browser = await open_import(browser_as)
    page = await browser.post(IMPORT, files={"file": ("large.txt", make_large_file())}, step="preview")
    page = await go_on(browser, page, files={"file": ("other.txt", b"@one_news")})
    assert page.status == 200
    assert "This is another file" in page.text
    assert read_figures(page)["New channels"] == "1"
    assert await read_names(stage) == []


async def test_fifty_thousand_pasted_lines_are_imported(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await open_import(browser_as)
    text = "\n".join(f"https://t.me/channel_{number}" for number in range(50_000))
    page = await browser.post(IMPORT, step="preview", text=text, target="new", batch_name="Many")
    assert read_figures(page)["New channels"] == "50,000"
    await browser.follow(await go_on(browser, page))
    assert len(await read_members(stage, "Many")) == 50_000


async def test_only_the_first_bad_lines_are_shown_and_all_are_counted(browser_as: BrowserAs) -> None:
    browser = await open_import(browser_as)
    text = "@one_news\n" + "bad line\n" * 1_500
    page = await browser.post(IMPORT, step="preview", text=text)
    assert read_figures(page)["Cannot be read"] == "1,500"
    assert len(page.rows) == 200
    assert "And 1,300 more lines." in page.text


async def test_bad_lines_never_become_markup(browser_as: BrowserAs) -> None:
    browser = await open_import(browser_as)
    text = f"@one_news\n{EVIL}\n</textarea><script>alert(1)</script>"
    page = await browser.post(
        IMPORT, step="preview", text=text, target="new", batch_name=EVIL, file_name=EVIL
    )
    assert page.status == 200
    assert not page.forbidden_markup()
    assert page.values("text") == [text]
    page = await browser.follow(await go_on(browser, page))
    assert f"Came into the batch {EVIL}" in page.text
    assert not page.forbidden_markup()


async def test_the_result_page_believes_no_made_up_numbers(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"{IMPORT}/done?imported={EVIL}&existing=-1&batch=none&invalid=9e9")
    assert read_figures(page) == {"New channels": "0", "Known already": "0", "Lines left out": "0"}


async def test_reasons_are_told_in_russian(browser_as: BrowserAs) -> None:
    browser = await open_import(browser_as, "ru")
    page = await browser.post(IMPORT, step="preview", text="@one_news\nt.me/one_news\nплохая строка")
    assert page.title == "Что произойдёт"
    assert "строк" in page.rows[0][2].lower()
    assert page.rows[1][2].startswith("Не читается Это не имя канала")
