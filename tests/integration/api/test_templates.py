"""Templates over HTTP: made, listed, shown, changed, shown as a preview, and never lost while in use."""

from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

PATH = "/api/templates"
HTML = "<b>{channel_title}</b>: {date}"


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


async def make(client: httpx.AsyncClient, name: str = "Morning", **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"name": name, "content": "Hello", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_template_is_made_and_shown(operator: httpx.AsyncClient, stage: Stage) -> None:
    answer = await operator.post(
        PATH,
        json={
            "name": " Morning ",
            "content": HTML,
            "parseMode": "html",
            "linkPreview": False,
            "mediaType": "photo",
            "mediaUrl": "https://news.example/1.jpg",
        },
    )
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert made.items() >= {
        "name": "Morning", "content": HTML, "parseMode": "HTML", "linkPreview": False, "mediaType": "photo",
        "length": 2 - 1, "limit": 1024, "variables": ["channel_title", "date"], "revision": 1,
    }.items()  # fmt: skip
    shown = await operator.get(answer.headers["Location"])
    assert shown.json() == made
    assert shown.headers["ETag"] == '"1"'
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'template.created'")
    assert (entry.entity_id, entry.after["content"]) == (made["id"], HTML)


async def test_snake_case_and_plain_text_are_taken(operator: httpx.AsyncClient) -> None:
    made = await make(operator, content="5 < 6 {{x}}", parse_mode=None, link_preview=False)
    assert (made["parseMode"], made["length"], made["limit"]) == (None, len("5 < 6 {x}"), 4096)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"content": "<b>x", "parseMode": "HTML"}, "content", "line 1, column 1"),
        ({"content": "<div>x</div>", "parseMode": "HTML"}, "content", "line 1"),
        ({"content": "x\n*y", "parseMode": "MARKDOWN"}, "content", "line 2, column 1"),
        ({"content": "{nobody}"}, "content", "there is no variable {nobody}"),
        ({"content": "{"}, "content", "{{"),
        ({"content": "x" * 4097}, "content", "1 too many"),
        ({"content": "😀" * 2049}, "content", "2 too many"),
        (
            {"content": "x" * 1025, "mediaType": "photo", "mediaUrl": "https://x.example/"},
            "content",
            "1 too many",
        ),
        ({"content": " \n"}, "content", "empty or only blanks"),
        ({"content": ""}, "content", "empty or only blanks"),
        ({"content": "x" * 65_537}, "content", "at most 65536"),
        ({"content": "a\0b"}, "content", "NUL"),
        ({"content": 5}, "content", "string"),
        ({"content": '<a href="tg://user?id=7">x</a>', "parseMode": "HTML"}, "content", "@username"),
        ({"content": '<a href="javascript:x">x</a>', "parseMode": "HTML"}, "content", "not allowed"),
        ({"parseMode": "BBCODE"}, "parseMode", "HTML or Markdown"),
        ({"mediaType": "photo"}, "mediaId", "needs a stored file or an address"),
        ({"mediaUrl": "https://x.example/"}, "mediaType", "without its type"),
        ({"mediaType": "photo", "mediaUrl": "https://me:pw@x.example/"}, "mediaUrl", "user name"),
        ({"mediaType": "photo", "mediaUrl": "file:///etc/passwd"}, "mediaUrl", "https://"),
        ({"name": " "}, "name", "empty"),
        ({"name": "x" * 201}, "name", "at most 200"),
        ({"name": "a\nb"}, "name", "control character"),
        ({"surprise": 1}, "surprise", "unknown"),
    ],
)
async def test_what_could_not_be_posted_is_refused_by_its_field_and_not_stored(
    operator: httpx.AsyncClient, stage: Stage, fields: dict[str, Any], field: str, words: str
) -> None:
    answer = await operator.post(PATH, json={"name": "Morning", "content": "Hello", **fields})
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert words in answer.json()["detail"]
    assert await stage.execute("SELECT 1 FROM templates") == []


async def test_half_a_surrogate_pair_is_refused(operator: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    body = '{"name": "x", "content": "caf\\udce9"}'
    answer = await operator.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "content")


async def test_a_taken_name_is_a_conflict(operator: httpx.AsyncClient) -> None:
    await make(operator)
    other = await make(operator, "Evening")
    again = await operator.post(PATH, json={"name": "Morning", "content": "x"})
    renamed = await operator.patch(f"{PATH}/{other['id']}", json={"name": "Morning"})
    for answer in (again, renamed):
        assert (answer.status_code, answer.json()["field"]) == (409, "name")


async def test_the_list_comes_in_pages_the_newest_first_and_can_be_searched(
    operator: httpx.AsyncClient,
) -> None:
    names = [f"News {number}" for number in range(5)]
    for name in names:
        await make(operator, name, content="100% sure" if name == "News 3" else "Hello")
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get(PATH, params=query)).json()
        seen += [item["name"] for item in page["items"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert seen == names[::-1]
    for search, expected in (("news 2", ["News 2"]), ("0%", ["News 3"]), ("_", []), ("nothing", [])):
        page = (await operator.get(PATH, params={"search": search})).json()
        assert [item["name"] for item in page["items"]] == expected


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"limit": 0}, {"limit": 501}, {"colour": "red"}])
async def test_lists_refuse_what_they_do_not_know(operator: httpx.AsyncClient, query: dict[str, Any]) -> None:
    answer = await operator.get(PATH, params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, next(iter(query)))


class TestEditing:
    async def test_what_is_left_out_stays(self, operator: httpx.AsyncClient, stage: Stage) -> None:
        made = await make(operator, content=HTML, parseMode="HTML", linkPreview=False)
        answer = await operator.patch(f"{PATH}/{made['id']}", json={"content": "<i>x</i>"})
        assert answer.status_code == 200
        assert answer.headers["ETag"] == '"2"'
        assert answer.json().items() >= {
            "content": "<i>x</i>", "parseMode": "HTML", "linkPreview": False, "name": "Morning", "revision": 2,
        }.items()  # fmt: skip
        entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'template.changed'")
        assert (entry.before, entry.after) == ({"content": HTML}, {"content": "<i>x</i>"})

    async def test_an_explicit_null_makes_it_plain_text(self, operator: httpx.AsyncClient) -> None:
        made = await make(operator, content="<b>x</b>", parseMode="HTML")
        answer = await operator.patch(f"{PATH}/{made['id']}", json={"parseMode": None})
        assert (answer.json()["parseMode"], answer.json()["length"]) == (None, 8)

    async def test_a_change_that_came_between_is_not_overwritten(self, operator: httpx.AsyncClient) -> None:
        path = f"{PATH}/{(await make(operator))['id']}"
        headers = {"If-Match": '"1"'}
        assert (await operator.patch(path, json={"content": "One"}, headers=headers)).status_code == 200
        late = await operator.patch(path, json={"content": "Two"}, headers=headers)
        assert (late.status_code, late.json()["code"]) == (412, "STALE_REVISION")
        assert (await operator.delete(path, headers=headers)).status_code == 412
        assert (await operator.get(path)).json()["content"] == "One"

    async def test_a_change_is_checked_as_a_new_one_is(self, operator: httpx.AsyncClient) -> None:
        made = await make(operator, content="<")
        answer = await operator.patch(f"{PATH}/{made['id']}", json={"parseMode": "HTML"})
        assert (answer.status_code, answer.json()["field"]) == (422, "content")
        answer = await operator.patch(f"{PATH}/{made['id']}", json={"name": None})
        assert (answer.status_code, answer.json()["field"]) == (422, "name")

    async def test_started_campaigns_keep_what_they_began_with(
        self, operator: httpx.AsyncClient, stage: Stage
    ) -> None:
        await stage.add_channels(1)
        campaign_id = await stage.add_campaign(await stage.add_account(), words="before")
        template = await stage.one("SELECT id FROM templates WHERE content = 'before'")
        before = (await stage.read_campaign(campaign_id)).content
        await operator.patch(f"{PATH}/{template.id}", json={"content": "after"})
        assert (await stage.read_campaign(campaign_id)).content == before


class TestDeleting:
    async def test_an_unused_template_goes(self, operator: httpx.AsyncClient, stage: Stage) -> None:
        path = f"{PATH}/{(await make(operator))['id']}"
        assert (await operator.delete(path)).status_code == 204
        assert (await operator.get(path)).status_code == 404
        entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'template.deleted'")
        assert entry.before["name"] == "Morning"

    async def test_one_in_use_stays_and_its_campaigns_are_named(
        self, operator: httpx.AsyncClient, stage: Stage
    ) -> None:
        await stage.add_channels(1)
        await stage.add_campaign(await stage.add_account(), words="used", start=False)
        template = await stage.one("SELECT id FROM templates WHERE content = 'used'")
        answer = await operator.delete(f"{PATH}/{template.id}")
        name = (await stage.one("SELECT name FROM campaigns")).name
        assert answer.status_code == 409
        assert f"'{name}'" in answer.json()["detail"]


async def test_a_copy_gets_a_number_or_the_name_that_is_asked_for(operator: httpx.AsyncClient) -> None:
    made = await make(operator, content=HTML, parseMode="HTML", linkPreview=False)
    path = f"{PATH}/{made['id']}/duplicate"
    copies = [
        await operator.post(path),
        await operator.post(path),
        await operator.post(path, json={"name": "B"}),
    ]
    assert [answer.status_code for answer in copies] == [201] * 3
    assert [answer.json()["name"] for answer in copies] == ["Morning (2)", "Morning (3)", "B"]
    assert all((answer.json()["content"], answer.json()["linkPreview"]) == (HTML, False) for answer in copies)
    taken = await operator.post(path, json={"name": "B"})
    assert taken.status_code == 409


async def test_a_repeated_key_makes_one_template(operator: httpx.AsyncClient, stage: Stage) -> None:
    request: dict[str, Any] = {
        "json": {"name": "Morning", "content": "x"},
        "headers": {"Idempotency-Key": "k"},
    }
    answers = [await operator.post(PATH, **request) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await stage.one("SELECT count(*) AS n FROM templates")).n == 1


class TestPreview:
    async def test_it_is_what_telegram_would_get(self, client_as: ClientAs) -> None:
        viewer = await client_as(Role.VIEWER)
        answer = await viewer.post(
            f"{PATH}/preview",
            json={
                "content": "👋 <b>{channel_title}</b> <a href='https://x.example/{channel_username}'>&amp;</a>",
                "parseMode": "HTML",
                "values": {"channelTitle": "<𝔘>", "channelUsername": "@news_one"},
            },
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "text": "👋 <𝔘> &",
            "entities": [
                {"type": "bold", "offset": 3, "length": 4, "url": None, "language": None, "userId": None,
                 "customEmojiId": None},
                {"type": "text_link", "offset": 8, "length": 1, "url": "https://x.example/news_one", "language": None,
                 "userId": None, "customEmojiId": None},
            ],
            "html": "👋 <b>&lt;𝔘&gt;</b> <a href=\"https://x.example/news_one\" rel=\"nofollow noopener noreferrer\" "
            "target=\"_blank\">&amp;</a>",
            "length": 9,
            "limit": 4096,
            "overflow": 0,
            "variables": ["channel_title", "channel_username"],
            "warnings": [],
        }  # fmt: skip

    async def test_a_saved_template_is_shown_in_one_of_our_channels(
        self, operator: httpx.AsyncClient, stage: Stage
    ) -> None:
        made = await make(operator, content="{channel_title} {channel_mention}")
        (channel_id,) = await stage.add_channels(1)
        path = f"{PATH}/{made['id']}/preview"
        shown = await operator.post(path, json={"channelId": str(channel_id)})
        assert shown.json()["text"] == "first_00001 @first_00001"
        await stage.execute("UPDATE channels SET title = 'The First'")
        shown = await operator.post(path, json={"channelId": str(channel_id)})
        assert shown.json()["text"] == "The First @first_00001"
        assert (await operator.post(path)).json()["text"] == "Channel title @channel_name"

    async def test_what_is_too_long_is_shown_with_its_overflow(self, operator: httpx.AsyncClient) -> None:
        draft = {"content": "x" * 1020 + "{channel_title}", "values": {"channelTitle": "12345678"}}
        media = {"mediaType": "video", "mediaUrl": "https://x.example/1.mp4"}
        shown = (await operator.post(f"{PATH}/preview", json=draft | media)).json()
        assert (shown["length"], shown["limit"], shown["overflow"]) == (1028, 1024, 4)
        assert any("4 too many" in warning for warning in shown["warnings"])
        assert any("is fetched when" in warning for warning in shown["warnings"])

    async def test_what_could_not_be_saved_is_warned_of(self, operator: httpx.AsyncClient) -> None:
        draft = {"content": '<a href="tg://user?id=7">x</a>', "parseMode": "HTML"}
        shown = (await operator.post(f"{PATH}/preview", json=draft)).json()
        assert any("@username" in warning for warning in shown["warnings"])

    @pytest.mark.parametrize(
        ("draft", "status", "field"),
        [
            ({"content": "<b>", "parseMode": "HTML"}, 422, "content"),
            ({"content": "x", "channelId": "00000000-0000-0000-0000-000000000000"}, 404, "channelId"),
            (
                {
                    "content": "x",
                    "channelId": "00000000-0000-0000-0000-000000000000",
                    "values": {"channelTitle": "x"},
                },
                422,
                "channelId",
            ),
            ({"content": "x", "values": {"channelUsername": "?"}}, 422, "values.channelUsername"),
            (
                {
                    "content": '<a href="https://t.me/{channel_username}">x</a>',
                    "parseMode": "HTML",
                    "values": {"channelTitle": "No name"},
                },
                422,
                "content",
            ),
        ],
    )
    async def test_what_cannot_be_shown_is_said_so(
        self, operator: httpx.AsyncClient, draft: dict[str, Any], status: int, field: str
    ) -> None:
        answer = await operator.post(f"{PATH}/preview", json=draft)
        assert (answer.status_code, answer.json()["field"]) == (status, field)


async def test_an_unknown_template_is_not_found(operator: httpx.AsyncClient) -> None:
    path = f"{PATH}/00000000-0000-0000-0000-000000000000"
    answers = [
        await operator.get(path),
        await operator.patch(path, json={}),
        await operator.delete(path),
        await operator.post(f"{path}/duplicate"),
        await operator.post(f"{path}/preview"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5


async def test_viewers_read_and_change_nothing(client_as: ClientAs, operator: httpx.AsyncClient) -> None:
    viewer = await client_as(Role.VIEWER)
    path = f"{PATH}/{(await make(operator))['id']}"
    assert (await viewer.get(path)).status_code == (await viewer.get(PATH)).status_code == 200
    for answer in (
        await viewer.post(PATH, json={"name": "x", "content": "x"}),
        await viewer.patch(path, json={"content": "x"}),
        await viewer.delete(path),
        await viewer.post(f"{path}/duplicate"),
    ):
        assert answer.status_code == 403


UNUSUAL = {
    "linkPreview": True,
    "linkPreviewPosition": "above",
    "linkPreviewSize": "small",
    "silent": True,
    "protectContent": True,
}


async def test_how_it_is_posted_is_kept_changed_and_copied(operator: httpx.AsyncClient) -> None:
    usual = await make(operator)
    assert (usual["linkPreviewPosition"], usual["linkPreviewSize"]) == ("below", None)
    assert (usual["silent"], usual["protectContent"]) == (False, False)
    made = await make(operator, "Evening", **UNUSUAL)
    assert made.items() >= UNUSUAL.items()
    path = f"{PATH}/{made['id']}"
    copy = (await operator.post(f"{path}/duplicate")).json()
    assert copy.items() >= UNUSUAL.items()
    changed = await operator.patch(path, json={"linkPreviewSize": None, "silent": False})
    assert changed.json().items() >= (UNUSUAL | {"linkPreviewSize": None, "silent": False}).items()
    listed = (await operator.get(PATH)).json()["items"]
    assert {item["name"]: item["protectContent"] for item in listed} == {
        "Morning": False, "Evening": True, copy["name"]: True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"linkPreviewPosition": "left"}, "linkPreviewPosition", "above or below"),
        ({"linkPreviewPosition": None}, "linkPreviewPosition", "string"),
        ({"linkPreviewSize": "huge"}, "linkPreviewSize", "large or small"),
        ({"silent": "perhaps"}, "silent", "boolean"),
    ],
)
async def test_how_it_cannot_be_posted_is_said_at_its_field(
    operator: httpx.AsyncClient, fields: dict[str, Any], field: str, words: str
) -> None:
    answer = await operator.post(PATH, json={"name": "Morning", "content": "x", **fields})
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert words in answer.text


BUTTONS = [[{"text": "Read", "url": "https://news.example/1"}], [{"text": "Tell", "url": "tg://share?url=x"}]]


async def test_buttons_are_kept_shown_changed_and_copied(operator: httpx.AsyncClient) -> None:
    assert (await make(operator))["buttons"] == []
    made = await make(operator, "Evening", buttons=BUTTONS)
    path = f"{PATH}/{made['id']}"
    assert made["buttons"] == (await operator.get(path)).json()["buttons"] == BUTTONS
    assert (await operator.post(f"{path}/duplicate")).json()["buttons"] == BUTTONS
    changed = await operator.patch(path, json={"buttons": BUTTONS[:1]})
    assert changed.json()["buttons"] == BUTTONS[:1]
    assert (await operator.patch(path, json={"content": "New"})).json()["buttons"] == BUTTONS[:1]
    assert (await operator.patch(path, json={"buttons": []})).json()["buttons"] == []


@pytest.mark.parametrize(
    ("buttons", "words"),
    [
        ([[{"text": "x", "url": "ftp://x.example"}]], "button 1 of row 1"),
        ([[{"text": " ", "url": "https://x.example"}]], "no text"),
        ([[{"text": "x", "url": "https://x.example"}] * 9], "9 buttons"),
        ([[{"text": "x"}]], "required"),
        ([{"text": "x", "url": "https://x.example"}], "list"),
        (None, "list"),
    ],
)
async def test_buttons_that_telegram_would_refuse_are_refused(
    operator: httpx.AsyncClient, buttons: object, words: str
) -> None:
    answer = await operator.post(PATH, json={"name": "Morning", "content": "x", "buttons": buttons})
    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert answer.json()["field"].startswith("buttons")


async def test_a_persons_account_gets_no_campaign_with_buttons(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    await stage.add_channels(1)
    await stage.execute(
        "INSERT INTO accounts (name, kind, rate) VALUES ('editor', 'USER', 20), ('bot', 'BOT', 20)"
    )
    accounts = {row.name: str(row.id) for row in await stage.execute("SELECT name, id FROM accounts")}
    batch = await stage.one("SELECT id FROM batches")
    plain, pressed = await make(operator), await make(operator, "Evening", buttons=BUTTONS)
    body = {"name": "C", "batchId": str(batch.id), "mode": "LIVE", "deliveryRate": 20}

    async def create(template: dict[str, Any], account: str) -> httpx.Response:
        ids = {"templateId": template["id"], "accountId": accounts[account]}
        return await operator.post("/api/campaigns", json=body | ids)

    refused = await create(pressed, "editor")
    assert (refused.status_code, refused.json()["field"]) == (422, "accountId")
    assert "'editor' is a person's" in refused.json()["detail"]
    assert (await create(pressed, "bot")).status_code == 201
    made = await create(plain, "editor")
    changed = await operator.patch(f"/api/campaigns/{made.json()['id']}", json={"templateId": pressed["id"]})
    assert (changed.status_code, changed.json()["field"]) == (422, "accountId")
