"""Stored files over HTTP: upload, look, show, delete; templates that name them."""

import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.pictures import make_jpeg, make_png
from tests.support.recordings import make_mp4
from tests.support.stage import Stage
from vestnik.domain.media import LARGEST_PHOTO, LARGEST_UPLOAD
from vestnik.domain.users import Role

PATH = "/api/media"
TEMPLATES = "/api/templates"
PHOTO = make_jpeg(800, 600, size=50_000)


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


async def upload(client: httpx.AsyncClient, data: bytes = PHOTO, **query: str) -> dict[str, Any]:
    answer = await client.post(PATH, content=data, params={"name": "a.jpg"} | query)
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()
    return found


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def save_template(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post(TEMPLATES, json={"name": "Picture", "content": "Look"} | fields)


async def test_a_file_is_stored_and_told_by_its_bytes(operator: httpx.AsyncClient, stage: Stage) -> None:
    answer = await operator.post(
        PATH,
        content=PHOTO,
        params={"kind": "photo", "name": "C:\\Bilder\\утро.jpg"},
        headers={"Content-Type": "text/html"},
    )
    assert answer.status_code == 201
    media = answer.json()
    assert answer.headers["location"] == f"{PATH}/{media['id']}"
    assert media | {"id": "", "createdAt": "", "createdBy": ""} == {
        "id": "", "kind": "photo", "name": "утро.jpg", "size": len(PHOTO), "mimeType": "image/jpeg",
        "sha256": hashlib.sha256(PHOTO).hexdigest(), "width": 800, "height": 600, "duration": None,
        "createdBy": "", "createdAt": "",
    }  # fmt: skip
    assert (await operator.get(f"{PATH}/{media['id']}")).json() == media
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'media.stored'")
    assert (entry.entity_id, entry.after["sha256"]) == (media["id"], media["sha256"])


async def test_a_form_does_as_well(operator: httpx.AsyncClient) -> None:
    answer = await operator.post(
        PATH, files={"file": ("b.png", make_png(), "image/png")}, data={"kind": "photo"}
    )
    assert answer.status_code == 201
    assert (answer.json()["name"], answer.json()["mimeType"]) == ("b.png", "image/png")


async def test_the_same_file_again_is_the_same_file(operator: httpx.AsyncClient, stage: Stage) -> None:
    first = await upload(operator)
    again = await operator.post(PATH, content=PHOTO, params={"name": "a.jpg"})
    assert (again.status_code, again.json()) == (200, first)
    other = await upload(operator, name="other.jpg")
    assert other["id"] != first["id"]
    assert len(await stage.execute("SELECT 1 FROM audit_logs WHERE action = 'media.stored'")) == 2


@pytest.mark.parametrize(
    ("data", "query", "field", "words"),
    [
        (b"", {}, "file", "empty"),
        (b"<html><script>", {}, "file", "no JPEG, PNG or still WebP"),
        (make_jpeg(9000, 2000), {}, "file", "width and height together"),
        (make_jpeg(size=LARGEST_PHOTO + 1), {}, "file", "too large for a photo"),
        (PHOTO, {"kind": "sticker"}, "kind", "one of photo"),
        (PHOTO, {"name": "/"}, "name", "needs a name"),
        (PHOTO, {"name": "a\x01b"}, "name", "needs a name"),
        (PHOTO, {"name": "ж" * 200}, "name", "255 is the most"),
        (PHOTO, {"colour": "blue"}, "colour", "unknown"),
    ],
)
async def test_a_bad_file_is_refused_by_its_field(
    operator: httpx.AsyncClient, tmp_path: Path, data: bytes, query: dict[str, str], field: str, words: str
) -> None:
    answer = await operator.post(PATH, content=data, params={"name": "a.jpg"} | query)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert words in answer.json()["detail"]
    assert list_files(tmp_path) == []


async def test_forms_without_a_file_or_broken_ones_are_refused(operator: httpx.AsyncClient) -> None:
    answer = await operator.post(PATH, files={"picture": ("b.png", make_png())})
    assert (answer.status_code, answer.json()["field"]) == (422, "file")
    answer = await operator.post(PATH, data={"file": "text"}, files={"x": ("b.png", b"1")})
    assert (answer.status_code, answer.json()["field"]) == (422, "file")
    answer = await operator.post(PATH, content=b"broken", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await operator.post(PATH, content=b"--x\r\nbroken", headers=headers)
    assert answer.status_code in {400, 422}


async def test_a_body_beyond_every_limit_is_not_read(operator: httpx.AsyncClient) -> None:
    headers = {"Content-Length": str(LARGEST_UPLOAD * 2), "Content-Type": "image/jpeg"}
    answer = await operator.post(PATH, content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_a_full_disk_is_told_without_its_path(operator: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"no folder")
    answer = await operator.post(PATH, content=PHOTO, params={"name": "a.jpg"})
    assert (answer.status_code, answer.json()["code"]) == (507, "MEDIA_STORE")
    assert str(tmp_path) not in answer.text


async def test_the_content_is_shown_but_can_run_nothing(operator: httpx.AsyncClient) -> None:
    media = await upload(operator, name='we"ird\nname.jpg'.replace("\n", ""))
    answer = await operator.get(f"{PATH}/{media['id']}/content")
    assert (answer.status_code, answer.content) == (200, PHOTO)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''we%22irdname.jpg"
    head = await operator.head(f"{PATH}/{media['id']}/content")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_file_that_is_not_on_this_machine_is_told(
    operator: httpx.AsyncClient, tmp_path: Path
) -> None:
    media = await upload(operator)
    (tmp_path / "media" / media["sha256"][:2] / media["sha256"]).unlink()
    answer = await operator.get(f"{PATH}/{media['id']}/content")
    assert (answer.status_code, answer.json()["field"]) == (404, "mediaId")


async def test_files_are_listed_page_by_page(operator: httpx.AsyncClient) -> None:
    made = [(await upload(operator, name=f"{number}.jpg"))["id"] for number in range(5)]
    first = (await operator.get(PATH, params={"limit": 3})).json()
    rest = (await operator.get(PATH, params={"limit": 3, "cursor": first["nextCursor"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert rest["nextCursor"] is None
    assert (await operator.get(PATH, params={"kind": "video"})).json()["items"] == []


async def test_a_template_takes_the_kind_of_its_file(operator: httpx.AsyncClient) -> None:
    media = await upload(operator)
    answer = await save_template(operator, mediaId=media["id"], content="")
    assert answer.status_code == 201, answer.text
    template = answer.json()
    assert (template["mediaType"], template["mediaId"], template["mediaUrl"], template["limit"]) == (
        "photo", media["id"], None, 1024,
    )  # fmt: skip
    listed = (await operator.get(TEMPLATES)).json()["items"]
    assert listed[0]["mediaId"] == media["id"]
    copy = (await operator.post(f"{TEMPLATES}/{template['id']}/duplicate")).json()
    assert copy["mediaId"] == media["id"]


async def test_a_file_is_put_in_the_place_of_an_address_and_taken_away(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    media = await upload(operator)
    made = await save_template(operator, mediaType="video", mediaUrl="https://x.example/1.mp4")
    address = f"{TEMPLATES}/{made.json()['id']}"
    changed = (await operator.patch(address, json={"mediaId": media["id"]})).json()
    assert (changed["mediaType"], changed["mediaUrl"], changed["mediaId"]) == ("photo", None, media["id"])
    bare = (await operator.patch(address, json={"mediaId": None})).json()
    assert (bare["mediaType"], bare["mediaUrl"], bare["mediaId"], bare["limit"]) == (None, None, None, 4096)
    entry = await stage.one(
        "SELECT * FROM audit_logs WHERE action = 'template.changed' ORDER BY id DESC LIMIT 1"
    )
    assert entry.before["media_id"] == media["id"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"mediaId": str(uuid4())}, "mediaId", "no stored file"),
        ({"mediaType": "video"}, "mediaType", "stored as a photo"),
        ({"mediaUrl": "https://x.example/1.jpg"}, "mediaId", "both given"),
        ({"content": "x" * 1025}, "content", "caption is too long"),
    ],
)
async def test_a_template_that_does_not_fit_its_file_is_refused(
    operator: httpx.AsyncClient, fields: dict[str, Any], field: str, words: str
) -> None:
    media = await upload(operator)
    answer = await save_template(operator, **({"mediaId": media["id"]} | fields))
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert words in answer.json()["detail"]


async def test_an_empty_text_needs_a_file(operator: httpx.AsyncClient) -> None:
    answer = await save_template(operator, content="")
    assert (answer.status_code, answer.json()["field"]) == (422, "content")


async def test_a_file_goes_only_when_nothing_needs_it(
    operator: httpx.AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    media = await upload(operator)
    twin = await upload(operator, name="twin.jpg")
    template = (await save_template(operator, mediaId=media["id"])).json()
    answer = await operator.delete(f"{PATH}/{media['id']}")
    assert (answer.status_code, "template 'Picture'" in answer.json()["detail"]) == (409, True)
    account_id = await stage.add_account()
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(account_id, start=False)
    await stage.execute(
        "UPDATE campaigns SET template_id = :template WHERE id = :id", template=template["id"], id=campaign_id
    )
    await stage.start(campaign_id)
    await operator.patch(f"{TEMPLATES}/{template['id']}", json={"mediaId": None})
    answer = await operator.delete(f"{PATH}/{media['id']}")
    assert (answer.status_code, "campaign '" in answer.json()["detail"]) == (409, True)
    await stage.execute("UPDATE campaigns SET purged_at = now() WHERE id = :id", id=campaign_id)
    file = tmp_path / "media" / media["sha256"][:2] / media["sha256"]
    assert (await operator.delete(f"{PATH}/{media['id']}")).status_code == 204
    assert file.exists(), "the twin has the same bytes"
    assert (await operator.delete(f"{PATH}/{twin['id']}")).status_code == 204
    assert not file.exists()
    assert (await operator.get(f"{PATH}/{media['id']}")).status_code == 404
    assert len(await stage.execute("SELECT 1 FROM audit_logs WHERE action = 'media.deleted'")) == 2


async def test_viewers_look_and_change_nothing(client_as: ClientAs, operator: httpx.AsyncClient) -> None:
    media = await upload(operator)
    viewer = await client_as(Role.VIEWER)
    assert (await viewer.get(f"{PATH}/{media['id']}/content")).status_code == 200
    assert (await viewer.post(PATH, content=PHOTO)).status_code == 403
    assert (await viewer.delete(f"{PATH}/{media['id']}")).status_code == 403


async def test_the_content_of_a_paused_campaign_keeps_changes_or_loses_its_file(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    media = await upload(operator)
    template = (await save_template(operator, mediaId=media["id"])).json()
    account_id = await stage.add_account()
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(account_id, start=False)
    await stage.execute(
        "UPDATE campaigns SET template_id = :template WHERE id = :id", template=template["id"], id=campaign_id
    )
    await stage.start(campaign_id)
    await stage.pause(campaign_id)
    address = f"/api/campaigns/{campaign_id}/content"
    shown = (await operator.get(address)).json()
    assert (shown["mediaType"], shown["mediaId"], shown["limit"]) == ("photo", media["id"], 1024)
    kept = (await operator.put(address, json={"content": "Better"})).json()
    assert (kept["content"], kept["mediaId"]) == ("Better", media["id"])
    other = await upload(operator, name="other.jpg")
    changed = (await operator.put(address, json={"content": "", "mediaId": other["id"]})).json()
    assert (changed["content"], changed["mediaId"]) == ("", other["id"])
    bare = await operator.put(address, json={"content": "", "mediaId": None})
    assert (bare.status_code, bare.json()["field"]) == (422, "content")
    bare = await operator.put(address, json={"content": "Text", "mediaId": None})
    assert (bare.json()["mediaType"], bare.json()["mediaId"], bare.json()["limit"]) == (None, None, 4096)


async def store_three(client: httpx.AsyncClient) -> list[str]:
    """A photo, a video and a document."""
    found = []
    for kind, data in (("photo", make_jpeg()), ("video", make_mp4()), ("document", b"%PDF-1.7")):
        answer = await client.post(f"/api/media?kind={kind}&name=file-{kind}", content=data)
        found.append(answer.json()["id"])
    return found


async def test_an_album_is_made_rearranged_copied_and_taken_apart(operator: httpx.AsyncClient) -> None:
    photo, video, document = await store_three(operator)
    made = await operator.post(
        "/api/templates", json={"name": "Album", "content": "Look", "mediaIds": [photo, video]}
    )
    assert made.status_code == 201, made.text
    assert (made.json()["mediaIds"], made.json()["mediaId"]) == ([photo, video], photo)
    assert (made.json()["mediaType"], made.json()["limit"]) == ("photo", 1024)
    path = made.headers["Location"]
    copy = await operator.post(f"{path}/duplicate")
    assert copy.json()["mediaIds"] == [photo, video]

    async def change(**fields: Any) -> dict[str, Any]:
        answer = await operator.patch(path, json=fields)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return {name: changed[name] for name in ("mediaId", "mediaIds", "mediaType")}

    turned = {"mediaId": video, "mediaIds": [video, photo], "mediaType": "video"}
    assert await change(mediaIds=[video, photo]) == turned
    assert await change(**turned) == turned
    assert await change(content="Look again") == turned
    single = {"mediaId": document, "mediaIds": [document], "mediaType": "document"}
    assert await change(mediaId=document) == single
    assert await change(mediaIds=[document]) == single
    assert await change(mediaIds=[photo, video]) == {
        "mediaId": photo,
        "mediaIds": [photo, video],
        "mediaType": "photo",
    }
    assert await change(mediaIds=[]) == {"mediaId": None, "mediaIds": [], "mediaType": None}
    assert await change(mediaIds=[photo, video]) != single
    assert await change(mediaId=None) == {"mediaId": None, "mediaIds": [], "mediaType": None}


async def test_what_is_no_album_is_refused_at_its_field(operator: httpx.AsyncClient) -> None:
    photo, video, document = await store_three(operator)
    for fields, words in (
        ({"mediaIds": [photo, document]}, "do not go together"),
        ({"mediaIds": [photo, photo]}, "twice"),
        ({"mediaIds": [photo, str(uuid4())]}, "no stored file"),
        ({"mediaIds": [photo, video], "mediaId": video}, "another than the first"),
        ({"mediaIds": [str(uuid4()) for _ in range(11)]}, "10"),
        ({"mediaIds": "x"}, "list"),
        ({"mediaIds": [None]}, "UUID"),
    ):
        answer = await operator.post("/api/templates", json={"name": "Album", "content": "", **fields})
        assert (answer.status_code, words in answer.text) == (422, True), (fields, answer.text)
        assert answer.json()["field"].startswith("mediaIds")
    both = {"mediaIds": [photo, video], "mediaUrl": "https://x.example/1.jpg", "mediaType": "photo"}
    answer = await operator.post("/api/templates", json={"name": "Album", "content": "", **both})
    assert (answer.status_code, answer.json()["field"]) == (422, "mediaId")


async def test_no_file_of_an_album_is_deleted(operator: httpx.AsyncClient) -> None:
    photo, video, _ = await store_three(operator)
    body = {"name": "Album", "content": "", "mediaIds": [photo, video]}
    made = await operator.post("/api/templates", json=body)
    for media_id in (photo, video):
        refused = await operator.delete(f"/api/media/{media_id}")
        assert (refused.status_code, "'Album'" in refused.text) == (409, True)
    await operator.delete(made.headers["Location"])
    for media_id in (photo, video):
        assert (await operator.delete(f"/api/media/{media_id}")).status_code == 204
