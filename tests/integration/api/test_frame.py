"""What holds for every route: bad input, repeats, a database that is away."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role
from vestnik.web.problems import MEDIA_TYPE

BATCH = {"name": "Editions"}


@pytest.fixture
async def client(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


def check_problem(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """A problem document of this kind; it is returned."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"], problem.get("field")) == (status, code, field)
    assert problem["detail"]
    return problem


class TestBadInput:
    """Nothing is stored, and the answer names the field."""

    @pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe{}", b"{'name': 1}", b'{"name": "x"', b"nul"])
    async def test_what_is_no_json_is_refused(self, client: httpx.AsyncClient, body: bytes) -> None:
        answer = await client.post("/api/batches", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}
        assert answer.json()["code"] == ("INVALID_INPUT" if answer.status_code == 422 else "MALFORMED_JSON")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": "x" * 201}, "name"),
            ({"name": 5}, "name"),
            ({"name": "a\0b"}, "name"),
            ({"name": "x", "colour": "red"}, "colour"),
            ({"name": "x", "channelIds": ["1"]}, "channelIds.0"),
            ({"name": "x", "channelIds": "all"}, "channelIds"),
            ([], ""),
        ],
    )
    async def test_a_field_at_fault_is_named(
        self, client: httpx.AsyncClient, stage: Stage, body: object, field: str
    ) -> None:
        check_problem(await client.post("/api/batches", json=body), 422, "INVALID_INPUT", field or None)
        assert await stage.execute("SELECT FROM batches") == []

    @pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
    async def test_json_that_does_not_say_so_is_told_how_to(
        self, client: httpx.AsyncClient, kind: str | None
    ) -> None:
        headers = {"content-type": kind} if kind else {}
        answer = await client.post("/api/batches", content=b'{"name": "x"}', headers=headers)
        problem = check_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type")
        assert "application/json" in problem["detail"]

    async def test_a_stranger_cannot_have_large_bodies_read(self, anonymous: httpx.AsyncClient) -> None:
        answer = await anonymous.post("/api/batches", content=b" " * 70_000)
        check_problem(answer, 413, "BODY_TOO_LARGE")

    async def test_half_a_character_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/api/batches", content=rb'{"name": "a\ud800"}', headers={"content-type": "application/json"}
        )
        check_problem(answer, 422, "INVALID_INPUT", "name")

    @pytest.mark.parametrize(
        "number", ["1e400", "9" * 5_000, "-1", "NaN", "Infinity", '"20,5"', "true", "null"]
    )
    async def test_numbers_out_of_range_are_refused(self, client: httpx.AsyncClient, number: str) -> None:
        body = '{"name":"x","batchId":"%s","templateId":"%s","deliveryRate":%s}'
        key = "00000000-0000-0000-0000-000000000001"
        answer = await client.post(
            "/api/campaigns", content=body % (key, key, number), headers={"content-type": "application/json"}
        )
        assert answer.status_code in {400, 422}, answer.text

    async def test_ids_of_the_wrong_kind_and_unknown_ones_are_told_apart(
        self, client: httpx.AsyncClient
    ) -> None:
        check_problem(await client.get("/api/batches/7"), 422, "INVALID_INPUT", "batchId")
        unknown = await client.get("/api/batches/00000000-0000-0000-0000-000000000001")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")

    @pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=%21", "colour=red"])
    async def test_bad_questions_are_refused(self, client: httpx.AsyncClient, query: str) -> None:
        check_problem(
            await client.get(f"/api/batches?{query}"), 422, "INVALID_INPUT", query.split("=", maxsplit=1)[0]
        )

    @pytest.mark.parametrize(
        ("method", "path", "field"),
        [
            ("GET", "/api/batches/{id}", "batchId"),
            ("GET", "/api/templates/{id}", "templateId"),
            ("GET", "/api/campaigns/{id}/progress", "campaignId"),
            ("POST", "/api/campaigns/{id}/action", "campaignId"),
            ("GET", "/api/campaigns/{id}/events", "campaignId"),
            ("GET", "/api/channels/{id}", "channelId"),
            ("POST", "/api/templates/{id}/duplicate", "templateId"),
            ("DELETE", "/api/tokens/{id}", "tokenId"),
        ],
    )
    async def test_an_unknown_id_is_named_as_in_the_path(
        self, client: httpx.AsyncClient, method: str, path: str, field: str
    ) -> None:
        address = path.format(id="00000000-0000-0000-0000-000000000001")
        body = {"action": "start"} if path.endswith("action") else None
        check_problem(await client.request(method, address, json=body), 404, "NOT_FOUND", field)

    async def test_a_campaign_that_cannot_start_names_the_key_of_what_it_lacks(
        self, client: httpx.AsyncClient
    ) -> None:
        batch = await client.post("/api/batches", json=BATCH)
        template = await client.post("/api/templates", json={"name": "T", "content": "x"})
        body = {"name": "C", "batchId": batch.json()["id"], "templateId": template.json()["id"]}
        made = await client.post("/api/campaigns", json=body | {"deliveryRate": 1})
        answer = await client.post(f"{made.headers['Location']}/action", json={"action": "start"})
        check_problem(answer, 422, "INVALID_INPUT", "batchId")

    async def test_a_field_given_in_two_spellings_is_given_twice(self, client: httpx.AsyncClient) -> None:
        body = {"name": "Editions", "channelIds": [], "channel_ids": []}
        problem = check_problem(
            await client.post("/api/batches", json=body), 422, "INVALID_INPUT", "channel_ids"
        )
        assert "given twice, also as channelIds" in problem["detail"]
        inner = {"content": "x", "values": {"channelTitle": "A", "channel_title": "B"}}
        answer = await client.post("/api/templates/preview", json=inner)
        problem = check_problem(answer, 422, "INVALID_INPUT", "values.channel_title")
        assert "given twice, also as channelTitle" in problem["detail"]
        unknown = {"name": "Editions", "fooBar": 1, "foo_bar": 2}
        answer = await client.post("/api/batches", json=unknown)
        assert {error["detail"] for error in answer.json()["errors"]} == {
            "this field is unknown; leave it out"
        }

    async def test_what_text_has_to_look_like_is_said_in_words(
        self, client: httpx.AsyncClient, client_as: ClientAs
    ) -> None:
        admin = await client_as(Role.ADMIN)
        person = {"email": "nobody", "role": "VIEWER", "password": "three unusual words"}
        problem = check_problem(await admin.post("/api/users", json=person), 422, "INVALID_INPUT", "email")
        assert problem["detail"] == "email: is no e-mail address, which is like editor@news.example"
        headers = {"Idempotency-Key": "a b"}
        answer = await client.post("/api/batches", json=BATCH, headers=headers)
        assert "printable ASCII" in check_problem(answer, 422, "INVALID_INPUT", "Idempotency-Key")["detail"]
        values = {"content": "x", "values": {"channelUsername": "!"}}
        answer = await client.post("/api/templates/preview", json=values)
        problem = check_problem(answer, 422, "INVALID_INPUT", "values.channelUsername")
        assert "Latin letters" in problem["detail"]

    @pytest.mark.parametrize("field", ["email", "name", "role", "isActive"])
    async def test_a_null_that_would_change_nothing_is_refused_by_name(
        self, client_as: ClientAs, field: str
    ) -> None:
        admin = await client_as(Role.ADMIN, email="admin@news.example")
        me = (await admin.get("/api/auth/me")).json()["user"]
        answer = await admin.patch(f"/api/users/{me['id']}", json={field: None})
        assert "cannot be null" in check_problem(answer, 422, "INVALID_INPUT", field)["detail"]

    async def test_unknown_paths_and_methods_are_problems_too(self, client: httpx.AsyncClient) -> None:
        check_problem(await client.get("/api/nothing"), 404, "NOT_FOUND")
        answer = await client.delete("/api/batches")
        check_problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert "GET" in answer.headers["allow"]


class TestRepeats:
    """Idempotency-Key."""

    async def test_a_repeat_gets_the_first_answer_and_does_nothing(
        self, client: httpx.AsyncClient, stage: Stage
    ) -> None:
        headers = {"Idempotency-Key": "one"}
        first = await client.post("/api/batches", json=BATCH, headers=headers)
        second = await client.post("/api/batches", json=BATCH, headers=headers)
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
        assert second.headers["location"] == first.headers["location"]
        assert second.headers["etag"] == first.headers["etag"]
        assert len(await stage.execute("SELECT FROM batches")) == 1
        assert len(await stage.execute("SELECT FROM audit_logs WHERE action = 'batch.created'")) == 1

    async def test_a_repeat_tells_where_the_first_made_it_whatever_it_is(
        self, client: httpx.AsyncClient
    ) -> None:
        made = []
        for path, body in (
            ("/api/channels", {"username": "@first_news"}),
            ("/api/batches", BATCH),
            ("/api/templates", {"name": "T", "content": "x"}),
        ):
            answers = [
                await client.post(path, json=body, headers={"Idempotency-Key": path}) for _ in range(2)
            ]
            for answer in answers:
                assert answer.headers["location"] == f"{path}/{answer.json()['id']}"
                assert answer.headers["etag"] == f'"{answer.json()["revision"]}"'
            made.append(answers[1].json()["id"])
        channel, batch, template = made
        campaign = {"name": "C", "batchId": batch, "templateId": template, "deliveryRate": 1}
        steps: list[tuple[str, dict[str, Any]]] = [
            ("/api/campaigns", campaign),
            (f"/api/templates/{template}/duplicate", {}),
            (f"/api/batches/{batch}/channels", {"channelIds": [channel]}),
        ]
        for path, body in steps:
            first, second = [
                await client.post(path, json=body, headers={"Idempotency-Key": path}) for _ in range(2)
            ]
            assert second.headers["idempotency-replayed"] == "true"
            assert second.headers["etag"] == first.headers["etag"]
            assert second.headers.get("location") == first.headers.get("location")

    async def test_the_same_key_for_something_else_is_refused(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "one"}
        await client.post("/api/batches", json=BATCH, headers=headers)
        other = await client.post("/api/batches", json={"name": "Others"}, headers=headers)
        check_problem(other, 422, "INVALID_INPUT", "Idempotency-Key")

    async def test_eight_at_once_do_it_once(self, client: httpx.AsyncClient, stage: Stage) -> None:
        headers = {"Idempotency-Key": "one"}
        answers = await asyncio.gather(
            *(client.post("/api/batches", json=BATCH, headers=headers) for _ in range(8))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert len(await stage.execute("SELECT FROM batches")) == 1

    async def test_keys_of_two_people_never_meet(
        self, client: httpx.AsyncClient, client_as: ClientAs, stage: Stage
    ) -> None:
        other = await client_as(Role.OPERATOR)
        headers = {"Idempotency-Key": "one"}
        first = await client.post("/api/batches", json=BATCH, headers=headers)
        second = await other.post("/api/batches", json={"name": "Others"}, headers=headers)
        assert (first.status_code, second.status_code) == (201, 201)

    async def test_what_was_refused_is_judged_anew(self, client: httpx.AsyncClient, stage: Stage) -> None:
        headers = {"Idempotency-Key": "one"}
        await client.post("/api/batches", json=BATCH)
        assert (await client.post("/api/batches", json=BATCH, headers=headers)).status_code == 409
        await stage.execute("DELETE FROM batches")
        assert (await client.post("/api/batches", json=BATCH, headers=headers)).status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 201, "a b", "ключ"])
    async def test_odd_keys_are_refused(self, client: httpx.AsyncClient, key: str) -> None:
        answer = await client.post("/api/batches", json=BATCH, headers={b"Idempotency-Key": key.encode()})
        check_problem(answer, 422, "INVALID_INPUT", "Idempotency-Key")


class TestEdits:
    """ETag and If-Match."""

    async def test_an_edit_of_an_older_state_is_refused(self, client: httpx.AsyncClient) -> None:
        made = await client.post("/api/batches", json=BATCH)
        path, etag = f"/api/batches/{made.json()['id']}", made.headers["etag"]
        first = await client.patch(path, json={"name": "First"}, headers={"If-Match": etag})
        assert first.status_code == 200
        late = await client.patch(path, json={"name": "Late"}, headers={"If-Match": etag})
        check_problem(late, 412, "STALE_REVISION")
        assert (await client.get(path)).json()["name"] == "First"
        again = await client.patch(path, json={"name": "Again"}, headers={"If-Match": first.headers["etag"]})
        assert again.status_code == 200
        assert (await client.patch(path, json={"name": "Any"}, headers={"If-Match": "*"})).status_code == 200

    async def test_a_malformed_etag_is_refused(self, client: httpx.AsyncClient) -> None:
        path = f"/api/batches/{(await client.post('/api/batches', json=BATCH)).json()['id']}"
        answer = await client.patch(path, json={"name": "x"}, headers={"If-Match": "three"})
        check_problem(answer, 422, "INVALID_INPUT", "If-Match")


@pytest.mark.timed
async def test_a_database_that_is_away_is_a_503_and_the_repeat_succeeds_once(
    client: httpx.AsyncClient, app: FastAPI, stage: Stage
) -> None:
    engine = app.state.web.database.engine
    await engine.dispose()
    url, headers = engine.sync_engine.url, {"Idempotency-Key": "one"}
    connect = engine.sync_engine.dialect.connect

    def refuse(*_: object, **__: object) -> object:
        raise engine.sync_engine.dialect.loaded_dbapi.OperationalError(f"connection to {url} refused")

    engine.sync_engine.dialect.connect = refuse
    began = time.monotonic()
    answer = await client.post("/api/batches", json=BATCH, headers=headers)
    assert time.monotonic() - began < 6
    problem = check_problem(answer, 503, "DATABASE_UNAVAILABLE")
    assert answer.headers["retry-after"]
    assert "connection" not in json.dumps(problem)  # hosts and roles stay in the log
    engine.sync_engine.dialect.connect = connect
    for _ in range(2):
        assert (await client.post("/api/batches", json=BATCH, headers=headers)).status_code == 201
    assert len(await stage.execute("SELECT FROM batches")) == 1


async def test_the_description_and_its_page_are_served(anonymous: httpx.AsyncClient) -> None:
    schema = (await anonymous.get("/api/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    assert "/api/batches" in schema["paths"]
    page = await anonymous.get("/api/docs")
    assert "/api/batches" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "<script" not in page.text
    assert (await anonymous.get("/api/docs.css")).headers["content-type"].startswith("text/css")
