"""Correcting what a paused campaign posts."""

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.content import frozen_from_json
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


@pytest.fixture
async def campaign_id(stage: Stage) -> CampaignId:
    await stage.add_channels(2)
    return await stage.add_campaign(await stage.add_account(), words="wrong {date}")


async def test_a_paused_campaigns_content_is_corrected_and_audited(
    operator: httpx.AsyncClient, stage: Stage, campaign_id: CampaignId
) -> None:
    path = f"/api/campaigns/{campaign_id}/content"
    await stage.pause(campaign_id)
    shown = await operator.get(path)
    assert (shown.json()["content"], shown.json()["variables"]) == ("wrong {date}", ["date"])
    body = {"content": "<b>right</b>", "parseMode": "HTML", "linkPreview": False}
    answer = await operator.put(path, json=body, headers={"If-Match": shown.headers["ETag"]})
    assert answer.status_code == 200
    assert answer.json().items() >= {**body, "id": str(campaign_id), "length": 5, "limit": 4096}.items()
    assert answer.json()["revision"] == shown.json()["revision"] + 1
    frozen = frozen_from_json((await stage.read_campaign(campaign_id)).content)
    assert (frozen.source, frozen.options.link_preview) == ("<b>right</b>", False)
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.content_corrected'")
    assert (entry.before["content"], entry.after["content"]) == ("wrong {date}", "<b>right</b>")
    late = await operator.put(path, json=body, headers={"If-Match": shown.headers["ETag"]})
    assert late.status_code == 412


async def test_only_paused_campaigns_are_corrected(
    operator: httpx.AsyncClient, stage: Stage, campaign_id: CampaignId
) -> None:
    async def correct(key: CampaignId) -> httpx.Response:
        return await operator.put(f"/api/campaigns/{key}/content", json={"content": "right"})

    running = await correct(campaign_id)
    assert (running.status_code, running.json()["field"]) == (409, "status")
    draft = await stage.add_campaign(await stage.add_account(), start=False)
    assert (await correct(draft)).status_code == 409
    assert (await operator.get(f"/api/campaigns/{draft}/content")).status_code == 409
    await stage.execute(
        "UPDATE campaigns SET status = 'PAUSED', pause_reason = 'RESTORED' WHERE id = :id", id=draft
    )
    never_started = await correct(draft)
    assert (never_started.status_code, "template" in never_started.json()["detail"]) == (409, True)


async def test_a_correction_that_could_not_be_posted_changes_nothing(
    operator: httpx.AsyncClient, stage: Stage, campaign_id: CampaignId
) -> None:
    await stage.pause(campaign_id)
    before = (await stage.read_campaign(campaign_id)).content
    for body in ({"content": "<b>", "parseMode": "HTML"}, {"content": "x" * 4097}, {"content": "{x}"}):
        answer = await operator.put(f"/api/campaigns/{campaign_id}/content", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "content")
    assert (await stage.read_campaign(campaign_id)).content == before


async def test_an_unknown_campaign_and_a_viewer_are_refused(
    operator: httpx.AsyncClient, client_as: ClientAs, campaign_id: CampaignId
) -> None:
    unknown = "/api/campaigns/00000000-0000-0000-0000-000000000000/content"
    assert (await operator.get(unknown)).status_code == 404
    assert (await operator.put(unknown, json={"content": "x"})).status_code == 404
    viewer = await client_as(Role.VIEWER)
    path = f"/api/campaigns/{campaign_id}/content"
    assert (await viewer.get(path)).status_code == 200
    assert (await viewer.put(path, json={"content": "x"})).status_code == 403


async def test_an_address_of_a_file_is_kept_until_it_is_replaced(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    await stage.execute("UPDATE templates SET media_type = 'photo', media_url = 'https://x.example/1.jpg'")
    await stage.start(campaign_id)
    await stage.pause(campaign_id)
    path = f"/api/campaigns/{campaign_id}/content"
    shown = (await operator.get(path)).json()
    kept = (await operator.put(path, json={"content": ""})).json()
    for answer in (shown, kept):
        assert (answer["mediaType"], answer["mediaUrl"], answer["mediaId"], answer["limit"]) == (
            "photo", "https://x.example/1.jpg", None, 1024,
        )  # fmt: skip
    bare = (await operator.put(path, json={"content": "Text", "mediaId": None})).json()
    assert (bare["mediaType"], bare["mediaUrl"], bare["limit"]) == (None, None, 4096)


async def test_a_correction_leaves_how_it_is_posted_unless_it_says_otherwise(
    operator: httpx.AsyncClient, stage: Stage, campaign_id: CampaignId
) -> None:
    path = f"/api/campaigns/{campaign_id}/content"
    await stage.pause(campaign_id)
    shape = {
        "silent": True,
        "protectContent": True,
        "linkPreviewPosition": "above",
        "linkPreviewSize": "large",
    }
    first = await operator.put(path, json={"content": "right", **shape})
    assert first.json().items() >= shape.items()
    second = await operator.put(path, json={"content": "better", "linkPreviewSize": None, "silent": False})
    assert second.json().items() >= (shape | {"linkPreviewSize": None, "silent": False}).items()
    refused = await operator.put(path, json={"content": "better", "linkPreviewSize": "huge"})
    assert (refused.status_code, refused.json()["field"]) == (422, "linkPreviewSize")
