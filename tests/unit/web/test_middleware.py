"""What every request passes: ids, sizes, and addresses that are text."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware import Middleware
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from vestnik.web.middleware import REQUEST_ID_HEADER, FailureAnswerer, InputGuard, RequestIdentifier
from vestnik.web.problems import MEDIA_TYPE, answer_unexpected, install_problem_handlers

LIMIT = 1_000
CAMPAIGN = "5b1c0d9e-0000-4000-8000-00000000000a"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(
        middleware=[
            Middleware(RequestIdentifier),
            Middleware(InputGuard, limit=LIMIT, limits={"/large": 10 * LIMIT}),
            Middleware(FailureAnswerer, answer=answer_unexpected),
        ]
    )
    install_problem_handlers(app)

    @app.post("/large")
    @app.post("/{name}")
    async def count(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.post("/broken/at/once")
    @app.post("/api/campaigns/{campaign_id}/broken")
    async def fail() -> None:
        raise RuntimeError("broken on purpose")

    @app.get("/broken/halfway")
    async def break_off() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("broken on purpose")

        return StreamingResponse(parts())

    @app.post("/json/body")
    async def read(body: dict[str, int]) -> dict[str, int]:
        return body

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("is_stated", [True, False])
async def test_a_body_beyond_the_limit_is_refused(client: httpx.AsyncClient, is_stated: bool) -> None:
    for path, limit in (("/small", LIMIT), ("/large", 10 * LIMIT)):
        fits = await client.post(path, content=b"x" * limit if is_stated else in_pieces(limit))
        assert (fits.status_code, fits.json()) == (200, {"bytes": limit})
        refused = await client.post(path, content=b"x" * (limit + 1) if is_stated else in_pieces(limit + 100))
        assert (refused.status_code, refused.json()["code"]) == (413, "BODY_TOO_LARGE")
        assert refused.headers["content-type"] == MEDIA_TYPE


async def test_json_beyond_the_limit_is_refused_by_its_size(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post("/json/body", content=in_pieces(2 * LIMIT), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/a%00b", "/x?q=%00", "/%ff", "/x?q=%c3%28"])
async def test_addresses_that_are_no_text_are_refused(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_ADDRESS")


async def test_every_answer_has_a_request_id_and_the_callers_is_kept(client: httpx.AsyncClient) -> None:
    assert len((await client.post("/x")).headers[REQUEST_ID_HEADER]) == 36
    own = await client.post("/x", headers={REQUEST_ID_HEADER: "mine-1"})
    assert own.headers[REQUEST_ID_HEADER] == "mine-1"
    for odd in ("with blank inside", "x" * 101):
        answer = await client.post("/x", headers={REQUEST_ID_HEADER: odd})
        assert answer.headers[REQUEST_ID_HEADER] != odd


async def test_an_error_that_nobody_expected_is_answered_and_logged_under_the_requests_id(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs(processors=[merge_contextvars]) as logs:
        answer = await client.post("/broken/at/once", headers={REQUEST_ID_HEADER: "mine-1"})
        about = await client.post(f"/api/campaigns/{CAMPAIGN.upper()}/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "UNEXPECTED")
    assert "purpose" not in answer.text
    assert answer.headers[REQUEST_ID_HEADER] == "mine-1"
    assert answer.headers["cache-control"] == "no-store"
    first, second = logs
    assert (first["event"], first["request_id"]) == ("api.unexpected_error", "mine-1")
    assert "campaign_id" not in first
    assert second["request_id"] == about.headers[REQUEST_ID_HEADER] != "mine-1"
    assert second["campaign_id"] == CAMPAIGN


async def test_an_answer_that_fails_halfway_is_broken_off(client: httpx.AsyncClient) -> None:
    with (
        capture_logs(processors=[merge_contextvars]) as logs,
        pytest.raises(RuntimeError, match="on purpose"),
    ):
        await client.get("/broken/halfway", headers={REQUEST_ID_HEADER: "mine-2"})
    assert (logs[0]["event"], logs[0]["request_id"]) == ("api.unexpected_error", "mine-2")


async def test_answers_are_not_to_be_stored_or_sniffed(client: httpx.AsyncClient) -> None:
    headers = (await client.post("/x")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
