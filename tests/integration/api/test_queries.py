"""What holds for the addresses of all routes: their queries, and HEAD."""

import re
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.integration.api.conftest import ClientAs
from tests.integration.api.test_frame import check_problem
from tests.unit.docs.test_api_page import make_app
from vestnik.domain.users import Role

ROUTES = sorted(
    (method, route.path or "")
    for route in iter_route_contexts(make_app().routes)
    for method in route.methods or ()
    if (route.path or "").startswith(("/api/", "/healthz", "/readyz"))
)
READS = [path for method, path in ROUTES if method == "GET"]


@pytest.fixture
async def client(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.ADMIN)


def fill(path: str) -> str:
    return re.sub(r"\{[^}]+\}", str(uuid4()), path)


async def test_no_route_ignores_a_query_that_it_does_not_know(client: httpx.AsyncClient) -> None:
    assert len(ROUTES) > 60
    for method, path in ROUTES:
        body: dict[str, str] | None = {} if method in {"POST", "PUT", "PATCH"} else None
        answer = await client.request(method, f"{fill(path)}?limit_to=red", json=body)
        problem = check_problem(answer, 422, "INVALID_INPUT", "limit_to")
        assert "unknown" in problem["detail"], (method, path)


async def test_who_may_not_ask_is_told_that_first(client_as: ClientAs) -> None:
    viewer = await client_as(Role.VIEWER)
    assert (await viewer.get("/api/users?colour=red")).status_code == 403
    viewer.headers.pop("Authorization")
    assert (await viewer.get("/api/campaigns?colour=red")).status_code == 401


async def test_a_query_may_be_spelled_both_ways_but_not_at_once(client: httpx.AsyncClient) -> None:
    account_id = str(uuid4())
    for name in ("accountId", "account_id"):
        assert (await client.get("/api/campaigns", params={name: account_id})).status_code == 200
    for name in ("campaignIds", "campaign_ids"):
        unknown = await client.get("/api/events", params={name: str(uuid4())})
        check_problem(unknown, 404, "NOT_FOUND", "campaignIds")
    twice = await client.get(f"/api/campaigns?accountId={account_id}&account_id={account_id}")
    problem = check_problem(twice, 422, "INVALID_INPUT", "account_id")
    assert "given twice, also as accountId" in problem["detail"]


@pytest.mark.parametrize("limit", ["５", "٥٠", "1_0", "+5", " 5", "5.0", "", "0x5"])
async def test_numbers_are_plain_digits(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/api/campaigns", params={"limit": limit})
    check_problem(answer, 422, "INVALID_INPUT", "limit")


@pytest.mark.parametrize("etag", ['"５"', '"٥"', "5", '"1_0"', '"-1"', '"1"2"'])
async def test_an_etag_is_plain_digits_in_quotes(client: httpx.AsyncClient, etag: str) -> None:
    made = await client.post("/api/batches", json={"name": "Morning"})
    answer = await client.patch(
        made.headers["Location"], json={"name": "Evening"}, headers={b"If-Match": etag.encode()}
    )
    check_problem(answer, 422, "INVALID_INPUT", "If-Match")


class TestHead:
    """HEAD is GET without the body."""

    async def test_every_read_answers_it_as_it_answers_get(self, client: httpx.AsyncClient) -> None:
        for path in map(fill, READS):
            get, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            for name in ("content-type", "content-length", "etag"):
                assert head.headers.get(name) == get.headers.get(name), (path, name)

    async def test_it_asks_who_one_is(self, client_as: ClientAs) -> None:
        viewer = await client_as(Role.VIEWER)
        assert (await viewer.head("/api/users")).status_code == 403
        viewer.headers.pop("Authorization")
        assert (await viewer.head("/api/campaigns")).status_code == 401

    async def test_an_etag_can_be_asked_for(self, client: httpx.AsyncClient) -> None:
        made = await client.post("/api/batches", json={"name": "Morning"})
        head = await client.head(made.headers["Location"])
        assert (head.status_code, head.headers["ETag"]) == (200, made.headers["ETag"])
        assert int(head.headers["Content-Length"]) > 0

    async def test_what_cannot_be_read_has_none(self, client: httpx.AsyncClient) -> None:
        answer = await client.head("/api/batches/combine")
        assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "POST", b"")
        assert (await client.put("/api/batches")).headers["Allow"] == "GET, HEAD, POST"

    def test_the_description_has_each_read_once(self, app: FastAPI) -> None:
        assert all("head" not in operations for operations in app.openapi()["paths"].values())
