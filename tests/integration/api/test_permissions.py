"""Every route asks who it is and lets exactly those in who may: all routes times all roles."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.unit.docs.test_api_page import make_app
from vestnik.api.route_list import list_routes
from vestnik.domain.users import Role

ROUTES = [(method, path, role) for method, path, role, _ in list_routes(make_app())]
GUARDED = [route for route in ROUTES if route[2] != "ANYONE"]
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/api/auth/login")}


def fill(path: str) -> str:
    """The path with an id that nothing has for every placeholder."""
    return re.sub(r"\{[^}]+\}", str(uuid4()), path)


def test_only_these_need_no_login() -> None:
    assert {(method, path) for method, path, role in ROUTES if role == "ANYONE"} == OPEN


async def ask(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await client.request(method, fill(path), json={} if method in {"POST", "PUT", "PATCH"} else None)


async def test_nobody_gets_in_without_a_login(client_as: Callable[[Role], Any]) -> None:
    client = await client_as(Role.VIEWER)
    client.headers.pop("Authorization")
    for method, path, _ in GUARDED:
        answer = await ask(client, method, path)
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_gets_in_where_it_may_and_nowhere_else(
    client_as: Callable[[Role], Any], role: Role
) -> None:
    client = await client_as(role)
    for method, path, needed in GUARDED:
        if path.endswith("/events"):
            continue  # it would go on for ever; its guard is the same, see the test of events
        answer = await ask(client, method, path)
        if role.includes(Role(needed)):
            assert answer.status_code not in {401, 403}, (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path, answer.text)
            assert answer.json()["code"] == "FORBIDDEN"
