"""Direct sends over HTTP: Telegram's answer per channel, once for each key, and never silently late."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.conftest import ClientAs
from tests.integration.delivery.rig import Rig
from tests.support.pictures import make_jpeg
from tests.support.stage import Stage
from tests.support.web_server import serve_web
from vestnik.delivery import fetching
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.states import HoldScope
from vestnik.domain.users import Role
from vestnik.services import direct_send
from vestnik.simulator.server import serve

PATH = "/api/test/send"
FIRST, SECOND = "@first_00001", "@first_00002"


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


@pytest.fixture
async def channels(stage: Stage) -> list[ChannelId]:
    return await stage.add_channels(3)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    """The account that rehearsals use without being told."""
    row = await stage.one("SELECT id FROM accounts WHERE kind = 'SIMULATED'")
    return AccountId(row.id)


@pytest.fixture
async def rig(
    engine: AsyncEngine, tmp_path: Path, channels: list[ChannelId], account_id: AccountId
) -> AsyncIterator[Rig]:
    """A worker that serves the account, with the keys of the API."""
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


@pytest.fixture
async def leased(stage: Stage, account_id: AccountId, channels: list[ChannelId]) -> AccountId:
    """A process speaks for the account and never answers."""
    await stage.acquire(account_id)
    return account_id


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for longer than a moment."""
    poll = partial(direct_send.poll_results, timeout=timedelta(seconds=0.1))
    monkeypatch.setattr(direct_send, "poll_results", poll)


async def send(
    client: httpx.AsyncClient, *channels: str, key: str | None = None, **body: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    given = {"channels": list(channels or [FIRST]), "text": "Direct"} | body
    return await client.post(PATH, json={k: v for k, v in given.items() if v is not None}, headers=headers)


async def test_each_channel_gets_its_post_and_telegrams_answer_comes_back(
    rig: Rig, operator: httpx.AsyncClient
) -> None:
    text = "<b>{channel_username}</b> 👋"
    answer = await send(operator, FIRST, SECOND, text=text, parseMode="HTML", linkPreview=False)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["channel"] for result in results] == [FIRST, SECOND]
    assert [result["id"] for result in results] == answer.json()["ids"]
    posts = {post.username: post for post in rig.posts}
    for result in results:
        name = result["channel"].removeprefix("@")
        assert result["status"] == "DONE"
        assert result["messageIds"] == [posts[name].message_id]
        assert result["link"] is None
        assert posts[name].text == f"{name} 👋"
        assert [entity["_"] for entity in posts[name].entities] == ["MessageEntityBold"]
        assert posts[name].link_preview is False
        shown = await operator.get(f"{PATH}/{result['id']}")
        assert shown.json() == result


async def test_what_telegram_refuses_is_reported_per_channel(rig: Rig, operator: httpx.AsyncClient) -> None:
    rig.break_sending("CHAT_WRITE_FORBIDDEN", code=403, channel="first_00002")
    answer = await send(operator, FIRST, SECOND)
    done, failed = answer.json()["results"]
    assert (answer.status_code, done["status"]) == (200, "DONE")
    assert (failed["status"], failed["errorCode"], failed["maybeSent"]) == (
        "FAILED",
        "CHAT_WRITE_FORBIDDEN",
        False,
    )
    assert failed["errorMessage"]


async def test_a_repeated_key_gives_the_same_answer_and_posts_nothing(
    rig: Rig, operator: httpx.AsyncClient, client_as: ClientAs
) -> None:
    first = await send(operator, key="morning")
    again = await send(operator, key="morning")
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(rig.posts) == 1
    colleague = await client_as(Role.OPERATOR)
    assert (await send(colleague, key="morning")).json()["ids"] != first.json()["ids"]
    assert len(rig.posts) == 2


async def test_a_key_used_at_the_same_time_posts_once(rig: Rig, operator: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(send(operator, key="morning") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["ids"][0] for answer in answers}) == 1
    assert len(rig.posts) == 1


async def test_a_template_is_posted_as_it_was_when_its_key_was_first_used(
    rig: Rig, operator: httpx.AsyncClient
) -> None:
    made = await operator.post(
        "/api/templates", json={"name": "Morning", "content": "<i>one</i>", "parseMode": "HTML"}
    )
    template_id = made.json()["id"]
    first = await send(operator, text=None, templateId=template_id, key="k")
    await operator.patch(f"/api/templates/{template_id}", json={"content": "two"})
    again = await send(operator, text=None, templateId=template_id, key="k")
    assert again.json() == first.json()
    assert [post.text for post in rig.posts] == ["one"]


@pytest.mark.usefixtures("impatient", "leased")
async def test_what_takes_long_is_accepted_and_can_be_asked_for(
    operator: httpx.AsyncClient, client_as: ClientAs
) -> None:
    answer = await send(operator, FIRST, SECOND)
    assert answer.status_code == 202
    body = answer.json()
    assert [result["status"] for result in body["results"]] == ["PENDING"] * 2
    assert answer.headers["Location"] == f"{PATH}/{body['ids'][0]}"
    viewer = await client_as(Role.VIEWER)
    shown = await viewer.get(answer.headers["Location"])
    assert (shown.status_code, shown.json()["id"]) == (200, body["ids"][0])


@pytest.mark.usefixtures("leased")
async def test_a_database_that_goes_away_while_waiting_leaves_the_ids(
    operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(*_: object) -> list[Any]:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(direct_send, "get_results", lose)
    answer = await send(operator)
    assert answer.status_code == 202
    assert (len(answer.json()["ids"]), answer.json()["results"]) == (1, [])


@pytest.mark.usefixtures("impatient", "leased")
async def test_a_caller_who_goes_away_changes_nothing(operator: httpx.AsyncClient, stage: Stage) -> None:
    asking = asyncio.create_task(send(operator, key="k"))
    async with asyncio.timeout(10):
        while not await stage.execute("SELECT 1 FROM account_commands"):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    again = await send(operator, key="k")
    (command,) = await stage.execute("SELECT id, status FROM account_commands")
    assert (again.json()["ids"], command.status) == ([str(command.id)], "PENDING")


async def test_no_worker_is_a_503_that_says_so(
    operator: httpx.AsyncClient, channels: list[ChannelId], stage: Stage
) -> None:
    answer = await send(operator)
    assert (answer.status_code, answer.json()["code"]) == (503, "NO_WORKER")
    assert "Retry-After" in answer.headers
    assert await stage.execute("SELECT 1 FROM account_commands") == []


async def test_a_held_account_is_a_409_with_the_time_it_frees(
    operator: httpx.AsyncClient, stage: Stage, leased: AccountId
) -> None:
    await stage.ledger.hold(leased, HoldScope.SEND, timedelta(minutes=1), "FLOOD_WAIT")
    until = (await stage.one("SELECT until FROM account_holds")).until
    answer = await send(operator)
    assert (answer.status_code, answer.json()["code"]) == (409, "ACCOUNT_HELD")
    assert answer.json()["resumesAt"].endswith("Z")
    assert datetime.fromisoformat(answer.json()["resumesAt"]) == until


@pytest.mark.usefixtures("leased")
@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"channels": []}, 422, "channels"),
        ({"channels": ["nonsense!"]}, 422, "channels"),
        ({"channels": ["@unknown_one"]}, 404, "channels"),
        ({"channels": ["x"] * 51}, 422, "channels"),
        ({"channels": ["a\0b"]}, 422, "channels.0"),
        ({"channels": FIRST}, 422, "channels"),
        ({"text": "<b>", "parseMode": "HTML"}, 422, "text"),
        ({"text": "x" * 4097}, 422, "text"),
        ({"text": None}, 422, "text"),
        ({"templateId": "00000000-0000-0000-0000-000000000000"}, 422, "text"),
        ({"text": None, "templateId": "00000000-0000-0000-0000-000000000000"}, 404, "templateId"),
        ({"parseMode": "X"}, 422, "parseMode"),
        ({"mode": "DRY"}, 422, "mode"),
        ({"accountId": "00000000-0000-0000-0000-000000000000"}, 404, "accountId"),
        ({"accountId": "default"}, 422, "accountId"),
        ({"surprise": 1}, 422, "surprise"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field_and_not_stored(
    operator: httpx.AsyncClient, stage: Stage, body: dict[str, Any], status: int, field: str
) -> None:
    given = {"channels": [FIRST], "text": "Direct"} | body
    answer = await operator.post(PATH, json=given)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert await stage.execute("SELECT 1 FROM account_commands") == []


@pytest.mark.usefixtures("impatient", "leased")
@pytest.mark.parametrize("change", [{"text": "Another"}, {"channels": [SECOND]}, {"linkPreview": False}])
async def test_a_key_of_another_request_is_refused(
    operator: httpx.AsyncClient, stage: Stage, change: dict[str, Any]
) -> None:
    assert (await send(operator, key="k")).status_code == 202
    answer = await operator.post(
        PATH, json={"channels": [FIRST], "text": "Direct"} | change, headers={"Idempotency-Key": "k"}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert len(await stage.execute("SELECT 1 FROM account_commands")) == 1


@pytest.mark.usefixtures("impatient", "leased")
async def test_a_key_goes_for_all_accounts(operator: httpx.AsyncClient, stage: Stage) -> None:
    assert (await send(operator, key="k")).status_code == 202
    other = await stage.add_account()
    await stage.acquire(other)
    answer = await send(operator, key="k", accountId=str(other))
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


@pytest.mark.usefixtures("impatient", "leased")
async def test_a_repeat_is_the_same_request_though_its_template_is_gone(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    made = await operator.post("/api/templates", json={"name": "Morning", "content": "one"})
    template = f"/api/templates/{made.json()['id']}"
    first = await send(operator, text=None, templateId=made.json()["id"], key="k")
    assert (await operator.delete(template)).status_code == 204
    again = await send(operator, text=None, templateId=made.json()["id"], key="k")
    assert (again.status_code, again.json()["ids"]) == (202, first.json()["ids"])
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(await stage.execute("SELECT 1 FROM account_commands")) == 1


@pytest.mark.usefixtures("impatient", "leased")
async def test_a_key_means_one_request_of_whatever_kind(
    operator: httpx.AsyncClient, client_as: ClientAs, stage: Stage
) -> None:
    batch: dict[str, Any] = {"json": {"name": "Morning"}, "headers": {"Idempotency-Key": "k"}}
    assert (await send(operator, key="k")).status_code == 202
    answer = await operator.post("/api/batches", **batch)
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    other = await client_as(Role.OPERATOR)
    assert (await other.post("/api/batches", **batch)).status_code == 201
    answer = await send(other, key="k")
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert len(await stage.execute("SELECT 1 FROM account_commands")) == 1


async def test_an_unknown_send_names_the_id_in_the_path(operator: httpx.AsyncClient) -> None:
    answer = await operator.get(f"{PATH}/00000000-0000-0000-0000-000000000000")
    assert (answer.status_code, answer.json()["field"]) == (404, "sendId")


@pytest.mark.usefixtures("leased")
async def test_media_are_refused_rather_than_left_out(operator: httpx.AsyncClient) -> None:
    body = {"name": "M", "content": "x", "mediaType": "photo", "mediaUrl": "https://x.example/1.jpg"}
    made = await operator.post("/api/templates", json=body)
    answer = await send(operator, text=None, templateId=made.json()["id"])
    assert (answer.status_code, answer.json()["field"]) == (422, "templateId")


async def test_viewers_do_not_post(client_as: ClientAs) -> None:
    viewer = await client_as(Role.VIEWER)
    assert (await send(viewer)).status_code == 403
    unknown = await viewer.get(f"{PATH}/00000000-0000-0000-0000-000000000000")
    assert unknown.status_code == 404


async def test_a_post_is_silent_and_protected_where_that_is_asked_for(
    rig: Rig, operator: httpx.AsyncClient
) -> None:
    answer = await send(operator, text="https://news.example/", silent=True, protectContent=True,
                        linkPreviewSize="small", linkPreviewPosition="above")  # fmt: skip
    assert answer.status_code == 200, answer.text
    (post,) = rig.posts
    assert (post.silent, post.protected, post.link_preview_size) == (True, True, "small")
    assert post.link_preview_above


async def test_a_template_says_itself_how_it_is_posted(
    operator: httpx.AsyncClient, leased: AccountId
) -> None:
    made = await operator.post("/api/templates", json={"name": "Morning", "content": "x"})
    answer = await send(operator, text=None, templateId=made.json()["id"], silent=True)
    assert (answer.status_code, answer.json()["field"]) == (422, "silent")


async def store_photo(client: httpx.AsyncClient, size: int) -> str:
    answer = await client.post("/api/media?name=a.jpg", content=make_jpeg(size=size))
    return str(answer.json()["id"])


async def test_stored_files_go_with_a_text_or_alone(rig: Rig, operator: httpx.AsyncClient) -> None:
    first, second = await store_photo(operator, 20_000), await store_photo(operator, 30_000)
    alone = await send(operator, text=None, mediaId=first)
    assert (alone.status_code, alone.json()["results"][0]["status"]) == (200, "DONE"), alone.text
    album = await send(operator, SECOND, text="Look", mediaIds=[second, first])
    (result,) = album.json()["results"]
    assert (result["status"], len(result["messageIds"])) == ("DONE", 2)
    assert [(post.text, post.media is not None) for post in rig.posts] == [
        ("", True),
        ("Look", True),
        ("", True),
    ]


async def test_a_file_at_an_address_is_fetched_and_posted(
    rig: Rig, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "is_public_address", lambda address: address == "127.0.0.1")
    data = make_jpeg(size=20_000)

    async with serve_web() as web:
        url = web.put("/morning.jpg", data)
        posted = await send(operator, text="Look", mediaType="photo", mediaUrl=url, key="morning")
        again = await send(operator, text="Look", mediaType="photo", mediaUrl=url, key="morning")
        other = await send(operator, text="Hear", mediaType="photo", mediaUrl=url, key="morning")
        fetches = len(web.requests)
        wrong = await send(operator, text="Look", mediaType="video", mediaUrl=url)
    assert (posted.status_code, again.json()) == (200, posted.json()), posted.text
    assert fetches == 1, "a repeated request fetches nothing"
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    (post,) = rig.posts
    assert (post.text, post.media and post.media["sha256"]) == ("Look", hashlib.sha256(data).hexdigest())
    assert (wrong.status_code, wrong.json()["field"]) == (422, "mediaUrl")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mediaType": "photo", "mediaUrl": "http://127.0.0.1:9/a.jpg"}, "mediaUrl"),
        ({"mediaUrl": "https://x.example/a.jpg"}, "mediaType"),
        ({"mediaId": str(uuid4())}, "mediaIds"),
        ({"mediaId": str(uuid4()), "mediaType": "photo", "mediaUrl": "https://x.example/a.jpg"}, "mediaId"),
    ],
)
async def test_files_that_cannot_be_had_are_refused_at_their_field(
    operator: httpx.AsyncClient, leased: AccountId, stage: Stage, body: dict[str, Any], field: str
) -> None:
    answer = await send(operator, **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert await stage.execute("SELECT 1 FROM account_commands") == []


async def test_a_template_has_its_own_files(operator: httpx.AsyncClient, leased: AccountId) -> None:
    made = await operator.post("/api/templates", json={"name": "Morning", "content": "x"})
    photo = await store_photo(operator, 20_000)
    answer = await send(operator, text=None, templateId=made.json()["id"], mediaId=photo)
    assert (answer.status_code, answer.json()["field"]) == (422, "mediaIds")
