"""Test send on its pages: where, what and with which account; once; and what Telegram answered."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.console.conftest import PART, Browser, BrowserAs
from tests.integration.delivery.rig import Rig
from tests.support.pages import Page
from tests.support.pictures import make_jpeg
from tests.support.stage import Stage
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.states import HoldScope
from vestnik.domain.users import Role
from vestnik.services.direct_send import MOST_CHANNELS
from vestnik.simulator.server import serve

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
FIRST, SECOND = "@first_00001", "@first_00002"


@pytest.fixture
async def channels(stage: Stage) -> list[ChannelId]:
    return await stage.add_channels(3)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    """The account that rehearses."""
    row = await stage.one("SELECT id FROM accounts WHERE kind = 'SIMULATED'")
    return AccountId(row.id)


@pytest.fixture
async def leased(stage: Stage, account_id: AccountId, channels: list[ChannelId]) -> AccountId:
    """A process speaks for the account and never answers."""
    await stage.acquire(account_id)
    return account_id


@pytest.fixture
async def real_id(stage: Stage, channels: list[ChannelId]) -> AccountId:
    """A real account for which a process speaks that never answers."""
    row = await stage.one(
        "INSERT INTO accounts (name, kind, rate) VALUES ('reporter', 'USER', 1) RETURNING id"
    )
    await stage.acquire(AccountId(row.id))
    return AccountId(row.id)


@pytest.fixture
async def rig(
    engine: AsyncEngine, tmp_path: Path, channels: list[ChannelId], account_id: AccountId
) -> AsyncIterator[Rig]:
    """A worker that serves the account, with the keys of the console."""
    async with serve() as server:
        rig = Rig(engine, server)
        try:
            await rig.start_worker(data_dir=tmp_path)

            async def is_serving() -> bool:
                rows = await rig.stage.execute(
                    "SELECT 1 FROM account_leases WHERE account_id = :id AND lease_until > clock_timestamp()",
                    id=account_id,
                )
                return bool(rows)

            await rig.until(is_serving)
            yield rig
        finally:
            await rig.close()


async def send(browser: Browser, **fields: Any) -> Page:
    """Send what the page begins with, and this."""
    page = await browser.get("/send")
    given = {"what": "text", "text": "Direct", "parse_mode": "", "link_preview": "on", "names": FIRST}
    return await browser.post("/send", **({"account": page.value("account")} | given | fields))


async def see_end(browser: Browser, answer: Page) -> Page:
    """The page of results once nothing more happens."""
    page = await browser.follow(answer)
    results = page.root.find(id="results")
    while "hx-get" in results.attributes:
        assert "refresh" in results.get("hx-trigger").split()
        page = await browser.get(results.get("hx-get"))
        results = page.root.find(id="results")
    return page


async def count_commands(stage: Stage) -> int:
    return len(await stage.execute("SELECT 1 FROM account_commands"))


async def test_the_page_shows_telegrams_answer_in_each_channel(rig: Rig, browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    rig.break_sending("CHAT_WRITE_FORBIDDEN", code=403, channel="first_00002")
    answer = await send(browser, channel=[SECOND], text="<b>{channel_username}</b>", parse_mode="HTML")
    page = await see_end(browser, answer)
    failed, done = page.rows
    assert failed[:2] == [
        SECOND,
        "Failed The account may not post in the channel. CHAT_WRITE_FORBIDDEN",
    ]
    (post,) = rig.posts
    assert done[:2] == [FIRST, f"Posted Taken as message {post.message_id}"]
    assert (post.username, post.text) == ("first_00001", "first_00001")
    assert "Telegram has taken 1 of 2." in page.text
    assert "Rehearsal" in page.text
    viewer = await browser_as(Role.VIEWER, language="ru")
    page = await viewer.get(answer.location)
    assert "Telegram принял 1 из 2." in page.text
    assert not page.forbidden_markup()


async def test_a_double_click_sends_once(stage: Stage, leased: AccountId, browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/send")
    fields = {"what": "text", "text": "Once", "names": FIRST, "account": page.value("account")}
    first, second = await browser.post("/send", **fields), await browser.post("/send", **fields)
    assert first.location == second.location != ""
    assert await count_commands(stage) == 1
    await browser.get("/send")
    assert (await browser.post("/send", **fields)).location != first.location


async def test_channels_are_taken_from_boxes_and_from_names_each_once(
    stage: Stage, leased: AccountId, browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    answer = await send(
        browser, channel=[FIRST, SECOND], names=" https://t.me/first_00002 \r\nfirst_00003, @FIRST_00001"
    )
    page = await browser.follow(answer)
    assert [row[0] for row in page.rows] == [FIRST, SECOND, "@first_00003"]
    assert await count_commands(stage) == 3
    assert "This page follows by itself." in page.text


async def test_the_search_keeps_what_is_checked(channels: list[ChannelId], browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    part = await browser.get(f"/send/channels?search=00002&channel={FIRST}", headers=PART)
    boxes = part.root.find_all("input", name="channel")
    assert [(box.get("value"), "checked" in box.attributes) for box in boxes] == [
        (FIRST, True),
        (SECOND, False),
    ]
    assert {box.get("form") for box in boxes} == {"send"}
    part = await browser.get(f"/send/channels?search=nothing&channel={FIRST}", headers=PART)
    assert part.values("channel") == [FIRST]
    assert "No other active channel fits." in part.text


async def choose(
    browser: Browser, content: bytes, name: str, field: str = "file", **fields: Any
) -> list[str]:
    """Put a file into the form; the files that it names now."""
    part = await browser.post(
        "/templates/picture", files={field: (name, content)}, headers=PART, files_for="send", **fields
    )
    assert (part.status, part.root.find_all("input", id="media_url")) == (200, [])
    inputs = part.root.find_all("input", name="media_id")
    return [item.get("value") for item in inputs if item.get("value")]


async def test_files_go_with_a_text_or_alone(rig: Rig, browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/send")
    one = await choose(browser, make_jpeg(), "a.jpg")
    both = await choose(browser, make_jpeg(80, 60), "b.jpg", "added", media_id=one)
    await see_end(browser, await send(browser, text="", media_id=both))
    await see_end(browser, await send(browser, media_id=one))
    assert [(post.text, post.media is not None) for post in rig.posts] == [
        ("", True),
        ("", True),
        ("Direct", True),
    ]


async def test_a_file_that_comes_with_the_form_stays_through_the_question(
    stage: Stage, real_id: AccountId, browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/send")
    fields = {"what": "text", "text": "Look", "parse_mode": "", "names": FIRST, "account": str(real_id)}
    assert page.root.find("form", id="send").get("enctype") == "multipart/form-data"
    asked = await browser.post("/send", files={"file": ("a.jpg", make_jpeg())}, **fields)
    assert await count_commands(stage) == 0
    (kept,) = [item.get("value") for item in asked.root.find_all("input", name="media_id")]
    stored = await stage.one("SELECT id FROM media")
    assert kept == str(stored.id)
    answer = await browser.post("/send", **fields, media_id=kept, confirmed=str(real_id))
    assert (answer.status, await count_commands(stage)) == (303, 1)


async def test_a_file_that_cannot_be_posted_is_said_at_its_field(
    stage: Stage, leased: AccountId, browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/send")
    fields = {
        "what": "text",
        "text": "Look",
        "parse_mode": "",
        "names": FIRST,
        "account": page.value("account"),
    }
    refused = await browser.post("/send", files={"file": ("a.jpg", b"<html>")}, **fields)
    assert (refused.status, bool(refused.problems["file"]), refused.value("text")) == (422, True, "Look")
    for unknown in ("nonsense", str(uuid4())):
        await browser.get("/send")
        refused = await browser.post("/send", **fields, media_id=unknown)
        assert refused.status in {404, 422}, unknown
        assert refused.problems, unknown
    assert await count_commands(stage) == 0


async def test_a_template_is_sent_as_it_is(stage: Stage, leased: AccountId, browser_as: BrowserAs) -> None:
    row = await stage.one(
        "INSERT INTO templates (name, content, parse_mode) VALUES ('Morning', '<b>Up</b>', 'HTML') RETURNING id"
    )
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get(f"/send?template={row.id}")
    assert (page.value("what"), page.value("template")) == ("template", str(row.id))
    assert page.root.find(class_="post-text").text == "Up"
    answer = await send(browser, what="template", template=str(row.id), text="")
    assert answer.status == 303
    audit = await stage.one("SELECT after FROM audit_logs WHERE action = 'direct_send.requested'")
    assert audit.after["template"] == str(row.id)


async def test_the_address_may_name_a_channel(
    leased: AccountId, channels: list[ChannelId], browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    assert (await browser.get(f"/send?channel={channels[0]}")).values("channel") == [FIRST]


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    ("wrong", "field", "status"),
    [
        ({"names": ""}, "channel", 422),
        ({"names": "@no"}, "channel", 422),
        ({"names": "@unknown_channel"}, "channel", 404),
        ({"names": "\n".join(f"name_{n:05}" for n in range(MOST_CHANNELS + 1))}, "channel", 422),
        ({"text": ""}, "text", 422),
        ({"text": "<b>open", "parse_mode": "HTML"}, "text", 422),
        ({"text": "x" * 4_097}, "text", 422),
        ({"parse_mode": "BBCODE"}, "parse_mode", 422),
        ({"what": "template", "template": ""}, "template", 422),
        ({"what": "template", "template": "7d7f6a3e-2f0c-4a55-8f53-3d38c0a0c4d1"}, "template", 404),
        ({"account": "7d7f6a3e-2f0c-4a55-8f53-3d38c0a0c4d1"}, "account", 422),
    ],
)
async def test_what_cannot_be_sent_is_said_at_its_field_and_stays_typed(
    stage: Stage,
    leased: AccountId,
    browser_as: BrowserAs,
    wrong: dict[str, str],
    field: str,
    status: int,
    language: str,
) -> None:
    browser = await browser_as(Role.OPERATOR, language=language)
    page = await send(browser, **wrong)
    assert page.status == status
    assert page.problems[field]
    assert any("а" <= letter <= "я" for letter in page.problems[field]) == (language == "ru")
    given = {"text": "Direct", "names": FIRST} | wrong
    assert (page.value("text"), page.value("names")) == (given["text"], given["names"])
    assert await count_commands(stage) == 0


async def test_an_inactive_channel_is_said_at_the_channels(
    stage: Stage, leased: AccountId, browser_as: BrowserAs
) -> None:
    await stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'OPERATOR' WHERE username = 'first_00001'"
    )
    page = await send(await browser_as(Role.OPERATOR))
    assert (page.status, FIRST in page.problems["channel"]) == (409, True)


async def test_without_a_worker_the_page_says_what_to_do(
    stage: Stage, channels: list[ChannelId], browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/send")
    assert "Nothing posts for this account now. Start Vestnik with “vestnik up”" in page.text
    page = await send(browser)
    assert page.status == 503
    assert "vestnik up" in page.problems["account"]
    assert page.value("text") == "Direct"
    assert await count_commands(stage) == 0


async def test_a_held_account_says_when_it_is_free(
    stage: Stage, leased: AccountId, browser_as: BrowserAs
) -> None:
    lease = await stage.one("SELECT epoch FROM account_leases WHERE account_id = :id", id=leased)
    assert lease is not None
    await stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, :scope, clock_timestamp() + :wait, 'FLOOD_WAIT')",
        id=leased,
        scope=HoldScope.SEND,
        wait=timedelta(minutes=5),
    )
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/send")
    (countdown,) = [node for node in page.root.find_all("time") if "data-countdown" in node.attributes]
    assert re.fullmatch(r"[45]:\d\d", countdown.text)
    page = await send(browser)
    assert (page.status, bool(page.problems["account"])) == (409, True)
    assert await count_commands(stage) == 0
    part = await browser.get(f"/send/accounts?account={leased}", headers=PART)
    assert part.value("account") == str(leased)
    assert "Telegram makes it wait" in part.text
    # What is asked for again every few seconds has no form, so the message must not be in it.
    (replaced,) = [node for node in page.root.find_all("div") if node.get("hx-get") == "/send/accounts"]
    assert replaced.get("id") == part.root.find("div").get("id")
    assert replaced.find_all(name="account")
    assert not replaced.find_all(class_="problem")
    assert page.root.find("fieldset", id="account").get("aria-describedby").strip() == "account-problem"


async def test_a_real_account_posts_only_once_somebody_says_yes(
    stage: Stage, leased: AccountId, real_id: AccountId, browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/send")
    assert page.value("account") == str(leased)
    assert "Live: posts on Telegram" in page.text
    question = await send(browser, account=str(real_id), channel=[SECOND])
    assert (question.status, question.title) == (200, "Post for real?")
    assert "reporter" in question.text
    assert "in 2 channels" in question.text
    assert FIRST in question.text
    assert await count_commands(stage) == 0
    back = await browser.post("/send", back="yes")
    assert (back.status, back.value("text"), back.value("names")) == (200, "Direct", FIRST)
    assert (back.value("account"), back.values("channel")) == (str(real_id), [SECOND])
    assert await count_commands(stage) == 0
    await send(browser, account=str(real_id), channel=[SECOND])
    first, second = await browser.post("/send"), await browser.post("/send")
    assert first.location == second.location
    assert await count_commands(stage) == 2
    page = await browser.get(first.location)
    assert "Live: posts on Telegram" in page.text


async def test_a_yes_for_one_account_is_none_for_another(
    stage: Stage, leased: AccountId, real_id: AccountId, browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await send(browser, account=str(real_id), confirmed=str(leased))
    assert page.title == "Post for real?"
    assert await count_commands(stage) == 0


async def test_what_is_wrong_is_said_before_the_question(
    stage: Stage, real_id: AccountId, browser_as: BrowserAs
) -> None:
    page = await send(await browser_as(Role.OPERATOR), account=str(real_id), names="@unknown_channel")
    assert (page.status, bool(page.problems["channel"])) == (404, True)


async def test_a_post_that_nobody_started_in_time_says_so(
    stage: Stage, leased: AccountId, channels: list[ChannelId], browser_as: BrowserAs
) -> None:
    await stage.give_peers(leased, channels)
    browser = await browser_as(Role.OPERATOR)
    answer = await send(browser)
    await stage.execute("UPDATE account_commands SET expires_at = clock_timestamp()")
    page = await browser.follow(answer)
    assert page.rows[0][1].startswith("Not posted in time")
    assert page.rows[0][1].endswith("EXPIRED")
    assert "hx-get" not in page.root.find(id="results").attributes


async def test_viewers_send_nothing(stage: Stage, leased: AccountId, browser_as: BrowserAs) -> None:
    viewer = await browser_as(Role.VIEWER)
    assert (await viewer.get("/send")).status == 403
    assert (await viewer.post("/send", what="text", text="x", names=FIRST)).status == 403
    assert await count_commands(stage) == 0


async def test_nothing_typed_or_stored_becomes_markup(
    stage: Stage, leased: AccountId, browser_as: BrowserAs
) -> None:
    await stage.execute("UPDATE channels SET title = :evil", evil=EVIL)
    await stage.execute("UPDATE accounts SET name = :evil", evil=EVIL[:100])
    await stage.execute("INSERT INTO templates (name, content) VALUES (:evil, :evil)", evil=EVIL)
    browser = await browser_as(Role.OPERATOR)
    assert not (await browser.get("/send")).forbidden_markup()
    page = await send(browser, names=EVIL, text=EVIL, channel=[EVIL], template=EVIL, account=EVIL)
    assert (page.status, page.forbidden_markup()) == (422, [])
    part = await browser.get("/send/channels", headers=PART)
    assert not part.forbidden_markup()
    part = await browser.post("/send/preview", headers=PART, text="{channel_title}", names=FIRST)
    assert not part.forbidden_markup()
    assert "alert(1)" in part.text
    page = await browser.follow(await send(browser))
    assert not page.forbidden_markup()


async def test_a_real_post_is_linked_and_an_uncertain_one_is_warned_of(
    stage: Stage, leased: AccountId, real_id: AccountId, browser_as: BrowserAs
) -> None:
    browser = await browser_as(Role.OPERATOR)
    await send(browser, account=str(real_id), channel=[SECOND])
    answer = await browser.post("/send")
    end = (
        "UPDATE account_commands k SET status = :status, result = CAST(:result AS jsonb), maybe_sent = :maybe,"
        " payload_ciphertext = NULL, finished_at = clock_timestamp()"
        " FROM channels c WHERE c.id = k.channel_id AND '@' || c.username = :channel"
    )
    done = {"channel": FIRST, "status": "DONE", "result": '{"message_ids": [17]}', "maybe": False}
    lost = {
        "channel": SECOND,
        "status": "FAILED",
        "result": '{"error_code": "UNKNOWN_OUTCOME"}',
        "maybe": True,
    }
    for values in (done, lost):
        await stage.execute(end, **values)
    page = await browser.follow(answer)
    assert page.links["See the post"] == "https://t.me/first_00001/17"
    uncertain, _posted = page.rows
    assert uncertain[1].startswith("Failed Nobody can tell whether the post arrived")
    assert "look there before you send it again" in uncertain[1]
