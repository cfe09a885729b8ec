"""Channels on their pages: the list, adding, correcting, stopping, reactivating and deleting."""

from uuid import UUID, uuid4

import pytest

from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.support.pages import Page, read_question
from tests.support.stage import Stage, make_result
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.outcomes import Deactivation
from vestnik.domain.states import JobStatus
from vestnik.domain.users import Role

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


async def add_channel(stage: Stage, **columns: object) -> ChannelId:
    """One row, as it is after things have happened to it."""
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    row = await stage.one(f"INSERT INTO channels ({names}) VALUES ({values}) RETURNING id", **columns)
    return ChannelId(row.id)


async def add_real_account(stage: Stage) -> AccountId:
    row = await stage.one("INSERT INTO accounts (name, kind, rate) VALUES ('real', 'USER', 20) RETURNING id")
    return AccountId(row.id)


async def add_peer(
    stage: Stage,
    account_id: AccountId,
    channel_id: ChannelId,
    *,
    failures: int = 0,
    reason: str | None = None,
) -> None:
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, can_post, consecutive_failures, is_active,"
        " inactive_reason, inactive_since) VALUES (:account_id, :channel_id, true, :failures, :is_active,"
        " :reason, CASE WHEN CAST(:reason AS text) IS NULL THEN NULL ELSE now() END)",
        account_id=account_id,
        channel_id=channel_id,
        failures=failures,
        is_active=reason is None,
        reason=reason,
    )


async def read_channel(stage: Stage, channel_id: UUID) -> dict[str, object]:
    row = await stage.one("SELECT * FROM channels WHERE id = :id", id=channel_id)
    return dict(row._mapping)


# -- the list -----------------------------------------------------------------------------------------------


async def test_without_channels_the_page_says_what_to_do(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.OPERATOR)).get("/channels")
    assert "There is no channel yet." in page.text
    assert page.links["Import a list"] == "/channels/import"


async def test_a_viewer_reads_and_is_offered_nothing_else(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news", title="Example")
    viewer = await browser_as(Role.VIEWER)
    page = await viewer.get("/channels")
    assert [row[:2] for row in page.rows] == [["Example @example_news", "Active"]]
    assert not {"Import a list", "Add one", "Put all into a batch"} & set(page.links)
    detail = await viewer.get(f"/channels/{channel_id}")
    assert not any(form.get("action").startswith("/channels") for form in detail.forms())
    assert "Edit" not in detail.links
    for path in ("/channels/new", "/channels/import", f"/channels/{channel_id}/edit"):
        assert (await viewer.get(path)).status == 403
    assert (await viewer.post(f"/channels/{channel_id}/delete")).status == 403
    assert (await read_channel(stage, channel_id))["deleted_at"] is None


async def test_the_list_says_why_a_channel_is_stopped_and_how_often_others_failed(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await add_real_account(stage)
    await add_channel(stage, username="good_news")
    await add_channel(stage, username="gone_news", is_active=False, inactive_reason="USERNAME_NOT_OCCUPIED")
    await add_channel(stage, username="paused_news", is_active=False, inactive_reason="OPERATOR")
    stopped = await add_channel(stage, username="private_news")
    await add_peer(stage, account_id, stopped, reason="CHANNEL_PRIVATE", failures=1)
    shaky = await add_channel(stage, username="shaky_news")
    await add_peer(stage, account_id, shaky, failures=3)
    page = await (await browser_as(Role.VIEWER)).get("/channels")
    found = {row[0]: row[1:4] for row in page.rows}
    assert found["@good_news"] == ["Active", "—", "0"]
    assert {name: row[0].split()[0] for name, row in found.items() if row[0] != "Active"} == dict.fromkeys(
        ("@gone_news", "@paused_news", "@private_news"), "Stopped"
    )
    assert found["@gone_news"][1:] == ["Nobody has this username.", "0"]
    assert found["@paused_news"][1:] == ["Somebody stopped it.", "0"]
    assert found["@private_news"][1:] == ["The channel is private, or the account was removed from it.", "1"]
    assert found["@shaky_news"] == ["Active", "—", "3"]


async def fail_post(stage: Stage, code: str) -> tuple[AccountId, ChannelId, UUID]:
    """A campaign of a real account whose only post failed."""
    account_id = await add_real_account(stage)
    (channel_id,) = await stage.add_channels(1)
    await stage.give_peers(account_id, [channel_id])
    await stage.execute(
        "INSERT INTO templates (name, content) VALUES ('words', 'words')",
    )
    row = await stage.one(
        "INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate,"
        " retry_limit, max_error_rate, mode) SELECT 'morning', a.id, a.kind, b.id, t.id, 20, 3, 1, 'LIVE'"
        " FROM accounts a, batches b, templates t WHERE a.id = :account_id RETURNING id",
        account_id=account_id,
    )
    await stage.start(row.id)
    lease = await stage.acquire(account_id)
    (job,) = await stage.claim(lease, row.id)
    result = make_result(
        job,
        JobStatus.FAILED,
        error_code=code,
        error_message=f"the words of {code}",
        counts_against_channel=True,
        deactivate=Deactivation.PAIR if code == "CHANNEL_PRIVATE" else None,
    )
    await stage.ledger.record([result])
    return account_id, channel_id, row.id


async def test_the_last_error_is_told_while_failures_are_counted(browser_as: BrowserAs, stage: Stage) -> None:
    account_id, channel_id, campaign_id = await fail_post(stage, "CHAT_WRITE_FORBIDDEN")
    viewer = await browser_as(Role.VIEWER)
    (row,) = (await viewer.get("/channels")).rows
    assert row[1:4] == [
        "Active The account may not post in the channel.",
        "The account may not post in the channel.",
        "1",
    ]
    page = await viewer.get(f"/channels/{channel_id}")
    peer, post = page.rows
    assert peer[0] == "real"
    assert "CHAT_WRITE_FORBIDDEN" in peer[2]
    assert "The words of CHAT_WRITE_FORBIDDEN" in peer[2]
    assert peer[3] == "1"
    assert post[0] == "morning"
    assert post[1].startswith("Failed The account may not post in the channel.")
    assert page.links["morning"] == f"/campaigns/{campaign_id}"
    assert page.links["real"] == f"/accounts/{account_id}"
    assert page.links["first"].startswith("/batches/")


async def test_channels_are_filtered_by_state_and_reason_and_found_by_words(
    browser_as: BrowserAs, stage: Stage
) -> None:
    await add_channel(stage, username="good_news", title="Утро")
    await add_channel(stage, username="gone_news", is_active=False, inactive_reason="USERNAME_INVALID")
    await add_channel(stage, username="off_news", is_active=False, inactive_reason="OPERATOR")
    viewer = await browser_as(Role.VIEWER)

    async def find(query: str) -> list[str]:
        return sorted(row[0].split()[-1] for row in (await viewer.get(f"/channels?{query}")).rows)

    assert await find("active=true") == ["@good_news"]
    assert await find("active=false") == ["@gone_news", "@off_news"]
    assert await find("error=OPERATOR") == ["@off_news"]
    assert await find("search=GONE") == ["@gone_news"]
    assert await find("search=https://t.me/off_news") == ["@off_news"]
    assert await find("search=утр") == ["@good_news"]
    assert await find("active=maybe&error=&search=") == ["@gone_news", "@good_news", "@off_news"]
    page = await viewer.get("/channels?active=false&search=no_such")
    assert "No channel is like this." in page.text
    assert (page.value("search"), page.value("active")) == ("no_such", "false")


async def test_reasons_to_choose_are_those_that_there_are(browser_as: BrowserAs, stage: Stage) -> None:
    await add_channel(stage, username="off_news", is_active=False, inactive_reason="OPERATOR")
    page = await (await browser_as(Role.VIEWER)).get("/channels?error=PEER_FLOOD")
    assert [option.get("value") for option in page.root.find(id="error").find_all("option")] == [
        "",
        "OPERATOR",
        "PEER_FLOOD",
    ]
    assert page.value("error") == "PEER_FLOOD"


async def test_the_export_has_what_the_list_shows(browser_as: BrowserAs, stage: Stage) -> None:
    await add_channel(stage, username="good_news")
    page = await (await browser_as(Role.VIEWER)).get("/channels?search=good&active=true")
    assert page.links["Save all found as a table (CSV)"] == "/api/channels/export?search=good&active=true"


async def test_pages_of_the_list_hold_every_channel_once(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(120)
    viewer, seen, pages = await browser_as(Role.VIEWER), [], 0
    address: str | None = "/channels?search=first"
    while address:
        page = await viewer.get(address)
        seen += [row[0] for row in page.rows]
        pages += 1
        assert ("Back to the start" in page.links) == (pages > 1)
        address = page.links.get("Further")
    assert pages == 3
    assert len(seen) == len(set(seen)) == 120
    assert (await viewer.get("/channels?cursor=nonsense")).status == 200


# -- one channel --------------------------------------------------------------------------------------------


async def test_a_channel_is_added(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/channels/new")
    page = await browser.submit("/channels/new", username="https://t.me/Example_News", tg_id="", title="Утро")
    assert (page.title, page.notice) == ("Утро", "Created.")
    assert page.links["@Example_News"] == "https://t.me/Example_News"
    assert "No account has posted here yet." in page.text


async def test_a_form_sent_twice_adds_one_channel(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/channels/new")
    first = await browser.post("/channels/new", username="@example_news")
    second = await browser.post("/channels/new", username="@example_news")
    assert first.location == second.location
    assert (first.status, second.status) == (303, 303)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "no name"}, "username"),
        ({"username": "https://t.me/+AbCdEf"}, "username"),
        ({"username": EVIL}, "username"),
        ({"username": "@example_news", "tg_id": "12"}, "tg_id"),
        ({"username": "@example_news", "title": "x" * 256}, "title"),
    ],
)
async def test_a_bad_channel_is_refused_at_its_field(
    browser_as: BrowserAs, stage: Stage, fields: dict[str, str], field: str
) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/channels/new")
    page = await browser.post("/channels/new", **fields)
    assert page.status == 422
    assert page.problems.get(field)
    assert {name: page.value(name) for name in fields} == fields
    assert not page.forbidden_markup()
    assert await stage.execute("SELECT 1 FROM channels") == []


async def test_a_channel_that_is_there_is_refused_in_words(browser_as: BrowserAs, stage: Stage) -> None:
    await add_channel(stage, username="example_news")
    browser = await browser_as(Role.OPERATOR, language="ru")
    await browser.get("/channels/new")
    page = await browser.post("/channels/new", username="t.me/EXAMPLE_news")
    assert page.status == 409
    assert "уже" in page.problems["username"]
    assert page.value("username") == "t.me/EXAMPLE_news"


async def test_a_channel_is_corrected(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news", tg_id=1234567890)
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/channels/{channel_id}/edit")
    assert (page.value("username"), page.value("tg_id")) == ("example_news", "-1001234567890")
    page = await browser.submit(
        f"/channels/{channel_id}/edit", username="@other_news", tg_id="-1001234567890", title="Другое"
    )
    assert (page.title, page.notice) == ("Другое", "Saved.")
    row = await read_channel(stage, channel_id)
    assert (row["username"], row["tg_id"], row["title"]) == ("other_news", 1234567890, "Другое")


async def test_an_id_that_was_found_out_meanwhile_is_kept(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news")
    browser = await browser_as(Role.OPERATOR)
    await browser.get(f"/channels/{channel_id}/edit")
    await stage.execute("UPDATE channels SET tg_id = 1234567890")
    await browser.submit(f"/channels/{channel_id}/edit", username="example_news", tg_id="", title="New")
    row = await read_channel(stage, channel_id)
    assert (row["tg_id"], row["title"]) == (1234567890, "New")


async def test_what_somebody_else_changed_is_not_overwritten(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news", title="Old")
    first, second = await browser_as(Role.OPERATOR), await browser_as(Role.OPERATOR)
    path = f"/channels/{channel_id}/edit"
    await first.get(path)
    await second.get(path)
    await first.submit(path, username="example_news", title="His")
    page = await second.post(path, username="example_news", title="Mine")
    assert page.status == 412
    assert page.problems[""]
    assert page.value("title") == "Mine"
    assert (await read_channel(stage, channel_id))["title"] == "His"


async def test_a_channel_is_stopped_and_reactivated(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news")
    browser = await browser_as(Role.OPERATOR)
    await browser.get(f"/channels/{channel_id}")
    page = await browser.submit(f"/channels/{channel_id}/stop")
    assert "Nothing is posted here. Somebody stopped it." in page.text
    assert not page.offers(f"/channels/{channel_id}/stop")
    page = await browser.submit(f"/channels/{channel_id}/reactivate")
    assert page.notice == "It is posted to again."
    assert "Nothing is posted here." not in page.text
    assert (await read_channel(stage, channel_id))["is_active"] is True


async def test_one_account_is_reactivated_and_others_stay_as_they_are(
    browser_as: BrowserAs, stage: Stage
) -> None:
    channel_id = await add_channel(stage, username="example_news")
    first, second = await stage.add_account(), await stage.add_account()
    for account_id in (first, second):
        await add_peer(stage, account_id, channel_id, reason="CHANNEL_PRIVATE", failures=5)
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/channels/{channel_id}")
    assert [row[3] for row in page.rows] == ["5", "5"]
    await browser.submit(f"/channels/{channel_id}/reactivate", account_id=str(first))
    assert (await stage.read_peer(first, channel_id)).is_active is True
    assert (await stage.read_peer(second, channel_id)).is_active is False


async def test_an_account_that_is_none_reactivates_nothing(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news", is_active=False)
    browser = await browser_as(Role.OPERATOR)
    for account_id, status in (("nonsense", 422), (str(uuid4()), 404)):
        await browser.get(f"/channels/{channel_id}")
        page = await browser.post(f"/channels/{channel_id}/reactivate", account_id=account_id)
        assert page.status == status
        assert page.title == "@example_news"
    assert (await read_channel(stage, channel_id))["is_active"] is False


async def test_waits_of_a_channel_are_told(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news")
    await add_peer(stage, await stage.add_account(), channel_id)
    await stage.execute(
        "UPDATE channel_peers SET slow_mode_seconds = 60, hold_until = now() + interval '50 seconds'"
    )
    page = await (await browser_as(Role.VIEWER)).get(f"/channels/{channel_id}")
    assert "Slow mode: one post in 1 min" in page.rows[0][4]
    assert page.root.find_all("time", data_countdown="")


async def test_a_channel_is_deleted(browser_as: BrowserAs, stage: Stage) -> None:
    channel_id = await add_channel(stage, username="example_news")
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/channels/{channel_id}")
    (form,) = page.forms(f"/channels/{channel_id}/delete")
    assert read_question(form)
    page = await browser.submit(f"/channels/{channel_id}/delete")
    assert (page.title, page.notice) == ("Channels", "Deleted.")
    assert (await browser.get(f"/channels/{channel_id}")).status == 404


async def test_a_channel_in_a_batch_stays_and_the_page_says_why(browser_as: BrowserAs, stage: Stage) -> None:
    (channel_id,) = await stage.add_channels(1)
    browser = await browser_as(Role.OPERATOR)
    await browser.get(f"/channels/{channel_id}")
    page = await browser.post(f"/channels/{channel_id}/delete")
    assert page.status == 409
    assert "first" in page.text
    assert "take it out" in page.text
    assert (await read_channel(stage, channel_id))["deleted_at"] is None


async def test_stored_words_never_become_markup(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await stage.add_account()
    channel_id = await add_channel(
        stage, username="example_news", title=EVIL, is_active=False, inactive_reason=EVIL
    )
    await add_peer(stage, account_id, channel_id, reason=EVIL)
    await stage.execute("UPDATE accounts SET name = :name WHERE id = :id", name=EVIL[:60], id=account_id)
    await stage.execute("INSERT INTO batches (name) VALUES (:name)", name=EVIL)
    await stage.execute("INSERT INTO batch_channels SELECT b.id, c.id FROM batches b, channels c")
    browser = await browser_as(Role.OPERATOR)
    for path in ("/channels", f"/channels?search={EVIL}&error={EVIL}", f"/channels/{channel_id}"):
        page = await browser.get(path)
        assert page.status == 200
        assert "<script>alert" in page.text or path.startswith("/channels?")
        assert not page.forbidden_markup()
    page = await browser.get(f"/channels/{channel_id}/edit")
    assert page.value("title") == EVIL
    assert not page.forbidden_markup()


async def test_the_list_is_found_in_the_answer_to_typing(browser_as: BrowserAs, stage: Stage) -> None:
    await add_channel(stage, username="example_news")
    page = await (await browser_as(Role.VIEWER)).get("/channels?search=example", headers=PART)
    assert len(page.root.find(id="results").find_all("tr")) == 2


async def test_the_pages_speak_russian(browser_as: BrowserAs, stage: Stage) -> None:
    await add_channel(stage, username="off_news", is_active=False, inactive_reason="OPERATOR")
    browser: Browser = await browser_as(Role.OPERATOR, language="ru")
    page: Page = await browser.get("/channels")
    assert page.title == "Каналы"
    assert page.rows[0][1:3] == ["Остановлен Кто-то его остановил.", "Кто-то его остановил."]
