"""Batches on their pages: making them, filling them, combining them, and taking things away."""

from uuid import UUID, uuid4

import pytest

from tests.integration.console.conftest import BrowserAs
from tests.integration.console.test_channel_imports import go_on, read_figures, read_members
from tests.support.pages import Page, read_question
from tests.support.stage import Stage
from vestnik.domain.users import Role

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


async def find_batch(stage: Stage, name: str) -> UUID:
    row = await stage.one("SELECT id FROM batches WHERE name = :name", name=name)
    batch_id: UUID = row.id
    return batch_id


async def list_names(stage: Stage) -> list[str]:
    return [row.name for row in await stage.execute("SELECT name FROM batches ORDER BY name")]


# -- making -------------------------------------------------------------------------------------------------


async def test_without_batches_the_page_says_what_one_is(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.OPERATOR)).get("/batches")
    assert "There is no batch yet." in page.text
    assert page.links["Make the first"] == "/batches/new"


async def test_a_batch_is_named_first_and_filled_then(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/new")
    page = await browser.submit("/batches/new", name="Morning", text="")
    assert (page.title, page.notice) == ("Add channels to Morning", "Created.")
    assert await list_names(stage) == ["Morning"]


async def test_a_batch_of_a_pasted_list_is_looked_at_first(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/new")
    page = await browser.post("/batches/new", name="Morning", text="@two_news\n@one_news\nbad line")
    assert read_figures(page)["Come into the batch Morning"] == "2"
    assert await list_names(stage) == []
    await browser.follow(await go_on(browser, page))
    assert await read_members(stage, "Morning") == ["two_news", "one_news"]


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"name": "", "text": ""}, 422, "name"),
        ({"name": "first", "text": ""}, 409, "name"),
        ({"name": "first", "text": "@one_news"}, 409, "name"),
        ({"name": "x" * 300, "text": "@one_news"}, 422, "name"),
        ({"name": "Morning", "text": "no name"}, 422, "text"),
    ],
)
async def test_a_bad_batch_is_refused_at_its_field(
    browser_as: BrowserAs, stage: Stage, fields: dict[str, str], status: int, field: str
) -> None:
    await stage.add_channels(1)
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/new")
    page = await browser.post("/batches/new", **fields)
    assert page.status == status
    assert page.title == "New batch"
    assert page.problems.get(field)
    assert {name: page.value(name) for name in fields} == fields
    assert await list_names(stage) == ["first"]


async def test_a_form_sent_twice_makes_one_batch(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/new")
    first = await browser.post("/batches/new", name="Morning")
    second = await browser.post("/batches/new", name="Morning")
    assert (first.status, first.location) == (303, second.location)


# -- one batch ----------------------------------------------------------------------------------------------


async def test_a_batch_shows_its_channels_in_order_and_who_can_post(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await stage.add_account()
    channels = await stage.add_channels(3)
    await stage.execute("UPDATE channels SET is_active = false WHERE id = :id", id=channels[2])
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, is_active) VALUES (:account_id, :id, false)",
        account_id=account_id,
        id=channels[0],
    )
    page = await (await browser_as(Role.VIEWER)).get(f"/batches/{await find_batch(stage, 'first')}")
    assert [row[0] for row in page.rows] == ["@first_00001", "@first_00002", "@first_00003"]
    figures = read_figures(page)
    assert (figures["Channels"], figures["Active"]) == ("3", "2")
    assert figures["In a rehearsal (account 1)"] == "1"
    assert not any(
        form.get("action").startswith("/batches/") for form in page.forms() if form.get("method") == "post"
    )


async def test_a_long_batch_is_paged_in_its_order(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(120)
    viewer, seen = await browser_as(Role.VIEWER), []
    address: str | None = f"/batches/{await find_batch(stage, 'first')}"
    while address:
        page = await viewer.get(address)
        seen += [row[0] for row in page.rows]
        address = page.links.get("Further")
    assert seen == [f"@first_{number:05}" for number in range(1, 121)]


async def test_channels_of_a_batch_are_searched(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(12)
    await stage.add_channels(2, "second")
    viewer, path = await browser_as(Role.VIEWER), f"/batches/{await find_batch(stage, 'first')}"
    assert [row[0] for row in (await viewer.get(f"{path}?search=_00011")).rows] == ["@first_00011"]
    page = await viewer.get(f"{path}?search=second")
    assert page.rows == []
    assert "No channel of this batch is like this." in page.text


async def test_campaigns_with_a_batch_are_named(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    await stage.add_channels(1, "second")
    viewer = await browser_as(Role.VIEWER)
    page = await viewer.get(f"/batches/{await find_batch(stage, 'first')}")
    assert f"/campaigns/{campaign_id}" in page.links.values()
    page = await viewer.get(f"/batches/{await find_batch(stage, 'second')}")
    assert f"/campaigns/{campaign_id}" not in page.links.values()
    assert "None yet." in page.text


async def test_a_batch_is_renamed(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.add_channels(1, "second")
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}"
    await browser.get(path)
    page = await browser.submit(f"{path}/rename", name="Morning")
    assert (page.title, page.notice) == ("Morning", "Saved.")
    page = await browser.post(f"{path}/rename", name="second")
    assert page.status == 409
    assert page.problems["name"]
    assert page.value("name") == "second"
    assert page.title == "Morning"


async def test_a_name_that_somebody_else_changed_is_not_overwritten(
    browser_as: BrowserAs, stage: Stage
) -> None:
    await stage.add_channels(1)
    first, second = await browser_as(Role.OPERATOR), await browser_as(Role.OPERATOR)
    path = f"/batches/{await find_batch(stage, 'first')}"
    await first.get(path)
    await second.get(path)
    await first.submit(f"{path}/rename", name="His")
    assert (await second.post(f"{path}/rename", name="Mine")).status == 412
    assert await list_names(stage) == ["His"]


async def test_chosen_channels_are_taken_out(browser_as: BrowserAs, stage: Stage) -> None:
    channels = await stage.add_channels(4)
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}"
    page = await browser.get(path)
    (form,) = page.forms(f"{path}/remove")
    assert read_question(form)
    boxes = [node.get("value") for node in form.find_all("input", name="channel_ids")]
    assert boxes == [str(channel_id) for channel_id in channels]
    page = await browser.submit(f"{path}/remove", channel_ids=boxes[1:3])
    assert page.notice == "The channels are out of the batch."
    assert await read_members(stage, "first") == ["first_00001", "first_00004"]
    assert len(await stage.execute("SELECT 1 FROM channels WHERE deleted_at IS NULL")) == 4


@pytest.mark.parametrize("chosen", [[], ["nonsense"]])
async def test_taking_nothing_out_is_refused(browser_as: BrowserAs, stage: Stage, chosen: list[str]) -> None:
    await stage.add_channels(60)
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}"
    await browser.get(path)
    page = await browser.post(f"{path}/remove", channel_ids=chosen)
    assert page.status == 422
    assert "Choose at least one channel" in page.text
    assert page.value("name") == "first"
    assert page.links["Further"].startswith(f"{path}?")
    assert len(await read_members(stage, "first")) == 60


async def test_a_refusal_shows_the_part_of_the_batch_that_was_looked_at(
    browser_as: BrowserAs, stage: Stage
) -> None:
    channels = await stage.add_channels(120)
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}"
    page = await browser.get((await browser.get(path)).links["Further"])
    (form,) = page.forms(f"{path}/remove")
    refused = await browser.post(form.get("action"))
    assert refused.status == 422
    assert [row[1] for row in refused.rows] == [row[1] for row in page.rows]
    page = await browser.submit(
        refused.forms(f"{path}/remove")[0].get("action"), channel_ids=str(channels[60])
    )
    assert page.rows[0][1] == "@first_00051"
    page = await browser.get(f"{path}?search=_00011")
    (form,) = page.forms(f"{path}/remove")
    refused = await browser.post(form.get("action"))
    assert (refused.status, [row[1] for row in refused.rows]) == (422, ["@first_00011"])
    assert refused.value("search") == "_00011"


async def test_a_batch_is_deleted_and_its_channels_stay(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(2)
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}"
    await browser.get(path)
    page = await browser.submit(f"{path}/delete")
    assert (page.title, page.notice) == ("Batches", "Deleted.")
    assert len(await stage.execute("SELECT 1 FROM channels")) == 2


async def test_a_batch_that_a_campaign_uses_stays_and_the_page_says_why(
    browser_as: BrowserAs, stage: Stage
) -> None:
    await stage.add_channels(1)
    await stage.add_campaign(await stage.add_account(), start=False)
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}"
    await browser.get(path)
    page = await browser.post(f"{path}/delete")
    assert page.status == 409
    assert "is used by the campaign 'campaign 2'" in page.text
    assert page.title == "first"
    assert await list_names(stage) == ["first"]


async def test_a_viewer_changes_nothing(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    viewer, path = await browser_as(Role.VIEWER), f"/batches/{await find_batch(stage, 'first')}"
    for address in ("/batches/new", "/batches/combine", "/batches/found", f"{path}/add"):
        assert (await viewer.get(address)).status == 403
    for address in ("rename", "remove", "delete", "add", "add-found", "paste"):
        assert (await viewer.post(f"{path}/{address}", name="Mine")).status == 403
    assert await list_names(stage) == ["first"]


# -- filling ------------------------------------------------------------------------------------------------


async def test_channels_are_searched_chosen_and_added(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.add_channels(3, "second")
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}/add"
    page = await browser.get(f"{path}?search=_0000")
    assert {row[1]: row[3] for row in page.rows} == {
        "@first_00001": "yes",
        "@second_00001": "no",
        "@second_00002": "no",
        "@second_00003": "no",
    }
    boxes = {
        node.get("aria-label"): node.get("value") for node in page.root.find_all("input", name="channel_ids")
    }
    assert set(boxes) == {f"Choose @second_{number:05}" for number in (1, 2, 3)}
    chosen = [boxes["Choose @second_00003"], boxes["Choose @second_00001"]]
    page = await browser.submit(path, channel_ids=chosen, search="_0000")
    assert page.notice == "The channels are in the batch."
    assert page.value("search") == "_0000"
    assert await read_members(stage, "first") == ["first_00001", "second_00003", "second_00001"]


async def test_adding_nothing_is_refused_and_the_search_is_kept(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.add_channels(60, "second")
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}/add"
    await browser.get(f"{path}?search=second&active=true")
    page = await browser.post(path, search="second", active="true")
    assert page.status == 422
    assert "Choose at least one channel" in page.text
    assert (page.value("search"), page.value("active")) == ("second", "true")
    (further,) = [button for button in page.root.find_all("button", name="look") if button.text == "Further"]
    page = await browser.post(path, search="second", active="true", look=further.get("value"))
    assert (page.status, len(page.rows)) == (200, 10)
    page = await browser.post(path, channel_ids=[str(uuid4())])
    assert page.status == 422
    assert await read_members(stage, "first") == ["first_00001"]


def list_checked(page: Page) -> list[str]:
    return [
        box.get("value")
        for box in page.root.find_all("input", name="channel_ids")
        if "checked" in box.attributes
    ]


async def test_choosing_goes_on_over_searches_and_pages(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    channels = [str(channel_id) for channel_id in await stage.add_channels(60, "second")]
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}/add"
    await browser.get(path)
    typed = {"text": "@one_news", "active": "true"}
    page = await browser.post(path, **typed, search="_00001", channel_ids=channels[40], look="start")
    assert (page.status, list_checked(page), page.value("text")) == (200, [channels[40]], "@one_news")
    assert "Chosen before @second_00041" in page.text
    assert page.value("search") == "_00001"
    chosen = [channels[40], channels[0]]
    page = await browser.post(path, **typed, search="second", channel_ids=chosen, look="start")
    assert sorted(list_checked(page)) == sorted(chosen)
    (further,) = [button for button in page.root.find_all("button", name="look") if button.text == "Further"]
    page = await browser.post(path, **typed, search="second", channel_ids=chosen, look=further.get("value"))
    assert len(page.rows) == 10
    assert sorted(list_checked(page)) == sorted(chosen)
    assert await read_members(stage, "first") == ["first_00001"]
    answers = [await browser.post(path, **typed, search="second", channel_ids=chosen) for _ in range(2)]
    assert await read_members(stage, "first") == ["first_00001", "second_00041", "second_00001"]
    for page in answers:
        assert (page.status, page.value("text"), page.value("search")) == (200, "@one_news", "second")
        assert page.notice == "The channels are in the batch."
        assert list_checked(page) == []


async def test_what_is_chosen_by_nonsense_is_left_out(browser_as: BrowserAs, stage: Stage) -> None:
    channels = await stage.add_channels(2)
    browser, path = await browser_as(Role.OPERATOR), f"/batches/{await find_batch(stage, 'first')}/add"
    await browser.get(path)
    page = await browser.post(path, channel_ids=["nonsense", str(uuid4()), str(channels[0])], look="nonsense")
    assert (page.status, list_checked(page)) == (200, [])


async def test_all_that_a_search_finds_is_added(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.add_channels(130, "second")
    batch_id = await find_batch(stage, "first")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/batches/{batch_id}/add?search=second")
    assert page.root.find("button", name="question").get("formaction") == f"/batches/{batch_id}/add-found"
    page = await browser.submit(
        f"/batches/{batch_id}/add-found", search="second", csrf_token=browser.csrf_token
    )
    assert page.title == "first"
    assert len(await read_members(stage, "first")) == 131


async def test_a_pasted_list_is_looked_at_and_added(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    batch_id = await find_batch(stage, "first")
    browser = await browser_as(Role.OPERATOR)
    await browser.get(f"/batches/{batch_id}/add")
    page = await browser.post(f"/batches/{batch_id}/paste", text="")
    assert (page.status, page.title) == (422, "Add channels to first")
    assert page.problems["text"]
    page = await browser.post(f"/batches/{batch_id}/paste", text="@one_news\nfirst_00001")
    assert read_figures(page)["Come into the batch first"] == "1"
    page = await browser.follow(await go_on(browser, page))
    assert page.links["To the batch"] == f"/batches/{batch_id}"
    assert await read_members(stage, "first") == ["first_00001", "one_news"]


async def test_everything_found_among_channels_comes_into_a_batch(
    browser_as: BrowserAs, stage: Stage
) -> None:
    await stage.add_channels(60)
    await stage.add_channels(1, "second")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/channels?search=first")
    page = await browser.get(page.links["Put all found into a batch"])
    assert "“first”" in page.text
    page = await browser.submit("/batches/found", target="new", batch_name="Morning")
    assert (page.title, page.notice) == ("Morning", "The channels are in the batch.")
    assert len(await read_members(stage, "Morning")) == 60
    await browser.get("/batches/found?search=second")
    page = await browser.submit("/batches/found", target="existing", batch="Morning")
    assert len(await read_members(stage, "Morning")) == 61


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"target": "new", "batch_name": "first"}, "batch_name"),
        ({"target": "new", "batch_name": " "}, "batch_name"),
        ({"target": "existing", "batch": "no such"}, "batch"),
    ],
)
async def test_found_channels_need_a_place(
    browser_as: BrowserAs, stage: Stage, fields: dict[str, str], field: str
) -> None:
    await stage.add_channels(1)
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/found?search=first")
    page = await browser.post("/batches/found", **fields)
    assert page.status in {404, 409, 422}
    assert page.problems[field]
    assert {name: page.value(name) for name in fields} == fields
    assert page.value("search") == "first"
    assert await list_names(stage) == ["first"]


# -- set operations -----------------------------------------------------------------------------------------


async def make_two_batches(stage: Stage) -> None:
    """`first` has the channels 1 to 3, `second` has 3 and one of its own."""
    channels = await stage.add_channels(3)
    await stage.add_channels(1, "second")
    await stage.execute(
        "INSERT INTO batch_channels (batch_id, channel_id) SELECT id, :channel_id FROM batches"
        " WHERE name = 'second'",
        channel_id=channels[2],
    )


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("union", ["first_00001", "first_00002", "first_00003", "second_00001"]),
        ("difference", ["first_00001", "first_00002"]),
        ("intersection", ["first_00003"]),
    ],
)
async def test_batches_are_combined(
    browser_as: BrowserAs, stage: Stage, operation: str, members: list[str]
) -> None:
    await make_two_batches(stage)
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/batches/combine?first={await find_batch(stage, 'first')}")
    assert page.value("first") == "first"
    page = await browser.submit(
        "/batches/combine", first="first", other=["second", ""], operation=operation, name="New"
    )
    assert (page.title, page.notice) == ("New", "Created.")
    assert await read_members(stage, "New") == members


async def test_one_more_field_keeps_what_was_typed(browser_as: BrowserAs, stage: Stage) -> None:
    await make_two_batches(stage)
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/combine")
    page = await browser.post(
        "/batches/combine", first="first", other=["second"], operation="difference", name="New", more="1"
    )
    assert page.status == 200
    assert page.values("other") == ["second", ""]
    assert (page.value("first"), page.values("operation"), page.value("name")) == (
        "first",
        ["difference"],
        "New",
    )
    assert await list_names(stage) == ["first", "second"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"first": "", "other": ["second"]}, "first"),
        ({"first": "no such", "other": ["second"]}, "first"),
        ({"first": "first", "other": ["no such"]}, "other"),
        ({"first": "first", "other": [""]}, "other"),
        ({"first": "first", "other": ["first"]}, "other"),
        ({"first": "first", "other": ["second"], "name": "second"}, "name"),
        ({"first": "first", "other": ["second"], "operation": "power"}, "operation"),
    ],
)
async def test_a_bad_combination_is_refused_at_its_field(
    browser_as: BrowserAs, stage: Stage, fields: dict[str, object], field: str
) -> None:
    await make_two_batches(stage)
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/combine")
    page = await browser.post("/batches/combine", **{"operation": "union", "name": "New", **fields})
    assert page.status in {404, 409, 422}
    assert page.problems.get(field)
    assert page.value("first") == fields["first"]
    assert page.values("other") == fields["other"]
    assert await list_names(stage) == ["first", "second"]


async def test_names_of_batches_never_become_markup(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.execute("UPDATE batches SET name = :name", name=EVIL)
    await stage.execute("UPDATE channels SET title = :title", title=EVIL)
    await stage.add_account()
    await stage.execute("UPDATE accounts SET name = :name WHERE name = 'account 1'", name=EVIL[:60])
    path = f"/batches/{await find_batch(stage, EVIL)}"
    browser = await browser_as(Role.OPERATOR)
    for address in (
        "/batches",
        path,
        f"{path}/add",
        "/batches/combine",
        f"/batches/found?search={EVIL}",
        f"/channels/import?batch={path.rpartition('/')[2]}",
    ):
        page = await browser.get(address)
        assert page.status == 200
        assert not page.forbidden_markup()


async def test_the_pages_speak_russian(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(2)
    browser = await browser_as(Role.OPERATOR, language="ru")
    page = await browser.get("/batches")
    assert page.title == "Подборки"
    path = f"/batches/{await find_batch(stage, 'first')}"
    await browser.get(path)
    page = await browser.post(f"{path}/remove")
    assert "Выберите хотя бы один канал" in page.text
