"""Every page asks who it is and lets exactly those in who may: all routes times all roles."""

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from tests.integration.console.conftest import Browser, BrowserAs
from vestnik.console.app import ROUTERS
from vestnik.console.visitors import CSRF_FIELD
from vestnik.domain.users import Role

OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/preferences")}


def list_pages() -> list[tuple[str, str, str]]:
    """Method, path and role of each; KeyError for one that declares no role."""
    return [
        (method, route.path, (route.openapi_extra or {})["x-role"])
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def fill(path: str) -> str:
    """The path with an id that nothing has for every placeholder."""
    return re.sub(r"\{[^}]+\}", str(uuid4()), path)


def test_only_these_need_no_login() -> None:
    assert {(method, path) for method, path, role in list_pages() if role == "ANYONE"} == OPEN


def test_no_page_is_without_a_role() -> None:
    assert {role for *_, role in list_pages()} <= {"ANYONE", *Role}


async def test_nobody_gets_in_without_a_login(open_browser: Callable[[], Awaitable[Browser]]) -> None:
    browser = await open_browser()
    for method, path, role in list_pages():
        if role != "ANYONE":
            answer = await browser.client.request(method, fill(path))
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/sign-in"), (method, path)


async def test_a_page_that_was_asked_for_is_come_back_to(
    open_browser: Callable[[], Awaitable[Browser]],
) -> None:
    answer = await (await open_browser()).get("/batches?search=morning news")
    assert answer.location == "/sign-in?next=%2Fbatches%3Fsearch%3Dmorning%2520news"


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_gets_in_where_it_may_and_nowhere_else(browser_as: BrowserAs, role: Role) -> None:
    browser = await browser_as(role)
    for method, path, needed in list_pages():
        if needed == "ANYONE" or path in {"/live", "/sign-out"}:
            continue  # the stream would go on for ever, and after signing out nobody is anybody
        data = {CSRF_FIELD: browser.csrf_token} if method == "POST" else None
        answer = await browser.client.request(method, fill(path), data=data)
        if role.includes(Role(needed)):
            assert answer.status_code != 403, (method, path)
            assert answer.status_code < 500, (method, path)
        else:
            assert answer.status_code == 403, (method, path)


async def test_no_form_acts_without_the_token_of_the_session(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.ADMIN)
    for method, path, role in list_pages():
        if method == "POST" and role != "ANYONE":
            for token in ("", "0" * 64):
                answer = await browser.client.post(fill(path), data={CSRF_FIELD: token})
                assert answer.status_code == 403, path
                assert "Nothing was done" in answer.text, path


async def test_a_form_of_another_site_does_nothing(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.ADMIN)
    await browser.get("/batches/new")
    answer = await browser.post("/batches/new", name="Evil", headers={"Origin": "https://evil.example"})
    assert answer.status == 403
    assert "There is no batch yet." in (await browser.get("/batches")).text


async def test_what_browsers_may_do_is_told_with_every_answer(
    open_browser: Callable[[], Awaitable[Browser]], browser_as: BrowserAs
) -> None:
    stranger, viewer = await open_browser(), await browser_as(Role.VIEWER)
    for browser, path in (
        (stranger, "/sign-in"),
        (viewer, "/batches"),
        (viewer, "/nothing"),
        (viewer, "/users"),
    ):
        answer = (await browser.get(path)).response
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), path
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert (await browser.get(path)).forbidden_markup() == []


def test_the_console_has_no_address_of_the_api() -> None:
    paths = {path for _, path, _ in list_pages()}
    assert not [path for path in paths if path.startswith(("/api", "/healthz", "/readyz", "/metrics"))]


async def test_what_is_too_large_or_no_address_is_answered_with_a_page(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.OPERATOR, language="ru")
    too_large = await browser.post("/batches/new", name="x" * (13 * 1024 * 1024))
    malformed = await browser.get("/batches?search=%00")
    for page, status in ((too_large, 413), (malformed, 400)):
        assert page.status == status
        assert page.response.headers["content-type"].startswith("text/html")
        assert any("а" <= letter <= "я" for letter in page.problems[""])


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nowhere", 404, "There is no such page"),
        ("/users", 403, "This is not open to you"),
        ("/preferences", 405, "That did not work"),
    ],
)
async def test_a_page_that_only_says_no_has_a_heading(
    browser_as: BrowserAs, path: str, status: int, title: str
) -> None:
    page = await (await browser_as(Role.OPERATOR)).get(path)
    assert (page.status, page.title) == (status, title)
    assert title in page.root.find("title").raw_text
