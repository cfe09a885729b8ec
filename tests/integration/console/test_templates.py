"""Templates on their pages: the list, the editor beside the post, copies, and what is in use."""

from collections.abc import Mapping

import httpx
import pytest

from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.support.stage import Stage
from vestnik.console.pages import PAGE_SIZE
from vestnik.console.post_previews import VARIABLE_TEXTS
from vestnik.content import Variable
from vestnik.domain.users import Role

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
NEW = {
    "name": "Morning news",
    "content": "<b>Good morning</b>, {channel_title}!",
    "parse_mode": "HTML",
    "link_preview": "on",
}


async def write(browser: Browser, **fields: str) -> str:
    """Save a new template; its address."""
    await browser.get("/templates/new")
    answer = await browser.post("/templates/new", **(NEW | fields))
    assert answer.status == 303, answer.text
    return answer.location


async def read_stored(stage: Stage) -> Mapping[str, object]:
    """The only template."""
    row = await stage.one("SELECT name, content, parse_mode, link_preview, revision FROM templates")
    return dict(row._mapping)


async def test_what_is_written_is_saved_as_it_was_written(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    path = await write(browser, content="<b>One</b>\r\n  two\r\n")
    assert await read_stored(stage) == {
        "name": "Morning news",
        "content": "<b>One</b>\n  two\n",
        "parse_mode": "HTML",
        "link_preview": True,
        "revision": 1,
    }
    page = await browser.get(path)
    assert page.notice == "Created."
    assert (page.title, page.value("content")) == ("Morning news", "<b>One</b>\n  two\n")
    assert (page.value("parse_mode"), page.value("link_preview")) == ("HTML", "on")
    assert not page.forbidden_markup()


async def test_changes_are_saved_and_an_unchecked_box_is_one(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    path = await write(browser)
    await browser.get(path)
    page = await browser.submit(path, name="Evening", content="*Night*", parse_mode="MARKDOWN")
    assert page.notice == "Saved."
    stored = await read_stored(stage)
    assert (stored["name"], stored["content"], stored["parse_mode"]) == ("Evening", "*Night*", "MARKDOWN")
    assert stored["link_preview"] is False
    await browser.submit(path, name="Evening", content="as it is *", parse_mode="")
    assert (await read_stored(stage))["parse_mode"] is None


async def test_a_form_sent_twice_makes_one_template(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    first, second = await browser.post("/templates/new", **NEW), await browser.post("/templates/new", **NEW)
    assert first.location == second.location != ""
    assert len(await stage.execute("SELECT 1 FROM templates")) == 1


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"content": "<b>open"}, "content"),
        ({"content": "{nobody}"}, "content"),
        ({"content": " "}, "content"),
        ({"content": "x" * 4_097}, "content"),
        ({"content": "👍" * 2_049, "parse_mode": ""}, "content"),
        ({"name": ""}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"parse_mode": "BBCODE"}, "parse_mode"),
        ({"media_id": "7d7f6a3e-2f0c-4a55-8f53-3d38c0a0c4d1"}, "media_id"),
        ({"media_id": "no id"}, "media_id"),
        ({"media_url": "ftp://news.example/1.jpg"}, "media_url"),
    ],
)
async def test_what_cannot_be_saved_is_said_at_its_field_and_stays_typed(
    browser_as: BrowserAs, stage: Stage, wrong: dict[str, str], field: str, language: str
) -> None:
    browser = await browser_as(Role.OPERATOR, language=language)
    await browser.get("/templates/new")
    page = await browser.post("/templates/new", **(NEW | wrong))
    assert page.status == 422
    assert page.problems[field]
    assert any("а" <= letter <= "я" for letter in page.problems[field]) == (language == "ru")
    assert (page.value("content"), page.value("name")) == (
        (NEW | wrong)["content"],
        (NEW | wrong)["name"],
    )
    assert await stage.execute("SELECT 1 FROM templates") == []


async def test_a_taken_name_is_said_at_the_name(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    await write(browser)
    await browser.get("/templates/new")
    page = await browser.post("/templates/new", **NEW)
    assert (page.status, "Morning news" in page.problems["name"]) == (409, True)
    assert page.value("content") == NEW["content"]


async def test_the_overflow_is_told_exactly(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    page = await browser.post("/templates/new", **(NEW | {"content": "👍" * 2_050}))
    assert "4,100" in page.problems["content"]
    assert "4 too many" in page.problems["content"]
    assert page.root.find(id="typed").text == "4,100"
    assert "4,100 of 4,096: 4 too many" in page.root.find(id="exact").text


async def test_who_comes_too_late_sees_both_texts_and_may_save_again(
    browser_as: BrowserAs, stage: Stage
) -> None:
    slow, quick = await browser_as(Role.OPERATOR), await browser_as(Role.OPERATOR)
    path = await write(slow)
    await slow.get(path)
    await quick.get(path)
    await quick.submit(path, **(NEW | {"content": "Theirs"}))
    page = await slow.post(path, **(NEW | {"content": "Mine"}))
    assert page.status == 412
    assert "Somebody else changed this template" in page.problems[""]
    assert page.value("content") == "Mine"
    assert page.root.find("pre", class_="source").raw_text == "Theirs"
    assert (await read_stored(stage))["content"] == "Theirs"
    await slow.submit(path, **(NEW | {"content": "Mine"}))
    assert (await read_stored(stage))["content"] == "Mine"


async def test_viewers_see_the_post_and_change_nothing(browser_as: BrowserAs, stage: Stage) -> None:
    path = await write(await browser_as(Role.OPERATOR))
    viewer = await browser_as(Role.VIEWER)
    page = await viewer.get("/templates")
    assert "/templates/new" not in page.links.values()
    page = await viewer.get(path)
    assert not page.offers(path)
    assert not page.offers(f"{path}/delete")
    assert page.root.find("pre", class_="source").raw_text == NEW["content"]
    assert "Good morning, Channel title!" in page.root.find(class_="post").text
    for action in ("", "/delete", "/duplicate"):
        assert (await viewer.post(path + action, **NEW)).status == 403
    assert (await viewer.get("/templates/new")).status == 403
    assert (await read_stored(stage))["revision"] == 1


async def test_the_list_tells_the_kinds_apart_and_finds_by_name_and_text(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    await write(browser, name="Plain", content="👍", parse_mode="")
    await write(browser, name="Marked", content="*yes*", parse_mode="MARKDOWN")
    page = await browser.get("/templates")
    assert [row[:4] for row in page.rows] == [
        ["Marked", "Markdown", "none", "3"],
        ["Plain", "Plain text", "none", "2"],
    ]
    assert [row[0] for row in (await browser.get("/templates?search=yes")).rows] == ["Marked"]
    assert [row[0] for row in (await browser.get("/templates?search=PLAIN")).rows] == ["Plain"]
    page = await browser.get("/templates?search=nothing+has+this")
    assert "No template has this" in page.text


async def test_an_empty_list_says_what_a_template_is(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.OPERATOR)).get("/templates")
    assert "There is no template yet." in page.text
    assert page.links["Write the first"] == "/templates/new"
    page = await (await browser_as(Role.VIEWER)).get("/templates")
    assert "Write the first" not in page.links


async def test_long_lists_go_on_where_the_page_ended(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.execute(
        "INSERT INTO templates (name, content) SELECT 'number ' || n, 'text' FROM generate_series(1, :n) n",
        n=PAGE_SIZE + 7,
    )
    browser = await browser_as(Role.VIEWER)
    first = await browser.get("/templates?search=number")
    second = await browser.get(first.links["Further"])
    names = [row[0] for row in first.rows + second.rows]
    assert (len(first.rows), len(second.rows)) == (PAGE_SIZE, 7)
    assert len(set(names)) == PAGE_SIZE + 7
    assert "Further" not in second.links


async def test_a_copy_has_a_name_of_its_own_and_opens(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    path = await write(browser)
    await browser.get(path)
    first, second = await browser.post(f"{path}/duplicate"), await browser.post(f"{path}/duplicate")
    assert first.location == second.location != path
    page = await browser.get(first.location)
    assert page.title.startswith("Morning news")
    assert page.title != "Morning news"
    assert page.value("content") == NEW["content"]
    assert len(await stage.execute("SELECT 1 FROM templates")) == 2


async def test_a_template_is_deleted(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    path = await write(browser)
    page = await browser.get(path)
    assert page.question(f"{path}/delete")
    page = await browser.submit(f"{path}/delete")
    assert page.notice == "Deleted."
    assert await stage.execute("SELECT 1 FROM templates") == []
    assert (await browser.get(path)).status == 404


async def test_one_that_a_campaign_uses_stays_and_the_page_says_why(
    browser_as: BrowserAs, stage: Stage
) -> None:
    await stage.add_channels(1)
    await stage.add_campaign(await stage.add_account(), words="Used", start=False)
    row = await stage.one("SELECT t.id, c.name FROM templates t JOIN campaigns c ON c.template_id = t.id")
    browser = await browser_as(Role.OPERATOR)
    path = f"/templates/{row.id}"
    await browser.get(path)
    page = await browser.post(f"{path}/delete")
    assert page.status == 409
    assert row.name in page.problems[""]
    assert page.value("content") == "Used"
    assert len(await stage.execute("SELECT 1 FROM templates")) == 1


async def test_one_that_was_changed_meanwhile_is_not_deleted(browser_as: BrowserAs, stage: Stage) -> None:
    slow, quick = await browser_as(Role.OPERATOR), await browser_as(Role.OPERATOR)
    path = await write(slow)
    await slow.get(path)
    await quick.get(path)
    await quick.submit(path, **(NEW | {"content": "Theirs"}))
    page = await slow.post(f"{path}/delete")
    assert page.status == 412
    assert page.value("content") == "Theirs"
    await slow.submit(f"{path}/delete")
    assert await stage.execute("SELECT 1 FROM templates") == []


# ---- the post beside the text


async def preview(browser: Browser, **fields: str) -> httpx.Response:
    """What htmx gets while somebody types."""
    return (await browser.post("/templates/preview", headers=PART, **(NEW | fields))).response


async def test_the_post_is_shown_as_telegram_would_show_it(browser_as: BrowserAs) -> None:
    viewer = await browser_as(Role.VIEWER)
    answer = await preview(viewer)
    assert answer.status_code == 200
    assert '<div class="post-text"><b>Good morning</b>, Channel title!</div>' in answer.text
    assert "Telegram counts 28 of 4,096." in answer.text
    assert "<html" not in answer.text


async def test_variables_are_those_of_the_chosen_channel(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.execute(
        "INSERT INTO channels (username, title) VALUES ('daily_news', 'Daily <News>'),"
        " ('daily_news_2', 'Second')"
    )
    viewer = await browser_as(Role.VIEWER)
    for name in ("@daily_news", "daily_news", "https://t.me/daily_news", "Daily <News>"):
        answer = await preview(viewer, preview_channel=name)
        assert "</b>, Daily &lt;News&gt;!</div>" in answer.text, name
    answer = await preview(viewer, preview_channel="nobody_has_this")
    assert "you see a made-up one" in answer.text
    assert "Channel title!" in answer.text
    suggested = await viewer.get("/templates/channels?preview_channel=daily", headers=PART)
    assert {node.get("value"): node.text for node in suggested.root.find_all("option")} == {
        "@daily_news": "Daily <News>",
        "@daily_news_2": "Second",
    }


@pytest.mark.parametrize(("language", "word"), [("en", "line"), ("ru", "строка")])
async def test_a_text_that_cannot_be_read_leaves_the_last_post_and_says_where(
    browser_as: BrowserAs, language: str, word: str
) -> None:
    viewer = await browser_as(Role.VIEWER, language=language)
    answer = await preview(viewer, content="One\n<b>two")
    assert answer.headers["HX-Reswap"] == "none"
    assert 'id="preview-problem" hx-swap-oob="true"' in answer.text
    assert word in answer.text.lower()
    assert "post-text" not in answer.text


async def test_warnings_say_what_would_be_refused(browser_as: BrowserAs) -> None:
    viewer = await browser_as(Role.VIEWER)
    answer = await preview(viewer, content="x" * 4_100)
    assert "Telegram counts 4,100 of 4,096: 4 too many" in answer.text
    answer = await preview(viewer, content='<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>')
    assert "Telegram Premium" in answer.text
    answer = await preview(viewer, content="  ")
    assert "The post appears here" in answer.text
    assert "alert" not in answer.text


async def test_the_first_link_is_announced_where_telegram_previews_it(browser_as: BrowserAs) -> None:
    viewer = await browser_as(Role.VIEWER)
    text = 'See <a href="https://first.example/">this</a> and https://second.example/'
    assert (
        '<strong class="break">https://first.example/</strong>' in (await preview(viewer, content=text)).text
    )
    text = '👍 https://second.example/ <a href="https://first.example/">this</a>'
    assert (
        '<strong class="break">https://second.example/</strong>' in (await preview(viewer, content=text)).text
    )
    fields = {name: value for name, value in NEW.items() if name != "link_preview"} | {"content": text}
    answer = await viewer.post("/templates/preview", headers=PART, **fields)
    assert "post-link" not in answer.html


async def test_nothing_typed_becomes_markup(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.execute("INSERT INTO channels (username, title) VALUES ('evil_one', :evil)", evil=EVIL)
    browser = await browser_as(Role.OPERATOR)
    path = await write(browser, name=f"x{EVIL}"[:200], content=EVIL, parse_mode="")
    for address in (path, "/templates", f"/templates?search={EVIL}"):
        assert not (await browser.get(address)).forbidden_markup(), address
    await browser.get(path)
    page = await browser.post(path, name="", content=EVIL, parse_mode="HTML", media_url=EVIL, media_type=EVIL)
    assert (page.status, page.forbidden_markup()) == (422, [])
    for mode in ("", "HTML", "MARKDOWN"):
        shown = await browser.post(
            "/templates/preview",
            headers=PART,
            content=EVIL + "{channel_title}",
            parse_mode=mode,
            preview_channel="@evil_one",
        )
        assert (shown.status, shown.forbidden_markup()) == (200, []), mode
    assert not (await browser.get("/templates/channels?preview_channel=evil")).forbidden_markup()
    viewer = await browser_as(Role.VIEWER)
    assert not (await viewer.get(path)).forbidden_markup()


async def test_without_the_sessions_token_nothing_happens(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/templates/new")
    for path in ("/templates/new", "/templates/preview", "/templates/picture"):
        assert (await browser.post(path, **(NEW | {"csrf_token": "forged"}))).status == 403
    assert await stage.execute("SELECT 1 FROM templates") == []


def test_every_variable_is_explained() -> None:
    assert set(VARIABLE_TEXTS) == set(Variable)


async def test_how_it_is_posted_is_chosen_shown_and_kept(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    shape = {
        "silent": "on",
        "protect_content": "on",
        "link_preview_position": "above",
        "link_preview_size": "large",
    }
    path = await write(browser, content="Read https://news.example/1", **shape)
    row = await stage.one("SELECT * FROM templates")
    assert (row.silent, row.protect_content) == (True, True)
    assert (row.link_preview_position, row.link_preview_size) == ("above", "large")
    page = await browser.get(path)
    assert {name: page.value(name) for name in shape} == shape
    post = page.root.find(class_="post")
    assert "protected · without a sound" in post.text
    assert "Its picture is large." in post.text
    assert post.text.index("Telegram shows a preview") < post.text.index("Read ")
    viewer = await (await browser_as(Role.VIEWER)).get(path)
    assert "protected · without a sound" in viewer.root.find(class_="post").text
    await browser.get(path)
    refused = await browser.post(path, **NEW, link_preview_size="huge")
    assert (refused.status, bool(refused.problems["link_preview_size"])) == (422, True)


async def test_buttons_are_typed_shown_and_kept(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    typed = "Read more https://news.example/1 | Subscribe https://t.me/news\r\n\r\nTell tg://share?url=x"
    path = await write(browser, buttons=typed)
    row = await stage.one("SELECT buttons FROM templates")
    assert [[button["text"] for button in each] for each in row.buttons] == [
        ["Read more", "Subscribe"],
        ["Tell"],
    ]
    page = await browser.get(path)
    shown = "Read more https://news.example/1 | Subscribe https://t.me/news\nTell tg://share?url=x"
    assert page.value("buttons") == shown
    links = page.root.find(class_="post").find_all("a")
    assert [(link.text, link.get("href")) for link in links] == [
        ("Read more", "https://news.example/1"),
        ("Subscribe", "https://t.me/news"),
        ("Tell", "tg://share?url=x"),
    ]
    refused = await browser.post(path, **NEW, buttons="Read javascript:alert(1)")
    assert (refused.status, "utton 1 of row 1" in refused.problems["buttons"]) == (422, True)
    assert refused.value("buttons") == "Read javascript:alert(1)"
