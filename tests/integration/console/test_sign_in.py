"""Signing in and out, the password that somebody else gave out, and what is chosen before."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest

from tests.integration.api.signing_in import PASSWORD, WRONG, add_person
from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.stage import Stage
from vestnik.domain.users import Role
from vestnik.web.identity import SESSION_COOKIE

OpenBrowser = Callable[[], Awaitable[Browser]]
ANNA = "anna@news.example"
NEW = "four other unusual words"


async def test_signing_in_leads_to_the_page_that_was_wanted(open_browser: OpenBrowser, stage: Stage) -> None:
    person = await add_person(stage, ANNA)
    browser = await open_browser()
    await browser.get("/sign-in?next=/batches")
    answer = await browser.post("/sign-in", email=person.email, password=PASSWORD)
    assert (answer.status, answer.location) == (303, "/batches")
    cookie = answer.response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await browser.get("/batches")).status == 200
    assert (await browser.get("/sign-in")).location == "/"


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil"],
)
async def test_signing_in_never_leads_to_another_site(
    open_browser: OpenBrowser, stage: Stage, wanted: str
) -> None:
    await add_person(stage, ANNA)
    browser = await open_browser()
    answer = await browser.post("/sign-in", email=ANNA, password=PASSWORD, next=wanted)
    assert (answer.status, answer.location) == (303, "/")


@pytest.mark.parametrize(("email", "password"), [(ANNA, WRONG), ("nobody@news.example", PASSWORD), ("", "")])
async def test_a_wrong_sign_in_says_so_and_keeps_what_was_typed_but_the_password(
    open_browser: OpenBrowser, stage: Stage, email: str, password: str
) -> None:
    await add_person(stage, ANNA)
    browser = await open_browser()
    await browser.get("/sign-in")
    answer = await browser.post("/sign-in", email=email, password=password, next="/batches")
    assert answer.status in {401, 422}
    assert answer.problems[""]
    assert (answer.value("email"), answer.value("next")) == (email, "/batches")
    assert PASSWORD not in answer.html
    assert WRONG not in answer.html
    assert SESSION_COOKIE not in browser.client.cookies


async def test_guessing_is_slowed_down_in_words(open_browser: OpenBrowser, stage: Stage) -> None:
    await add_person(stage, ANNA)
    browser = await open_browser()
    browser.speak("ru")
    statuses = [(await browser.post("/sign-in", email=ANNA, password=WRONG)).status for _ in range(12)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    answer = await browser.post("/sign-in", email=ANNA, password=PASSWORD)
    assert answer.status == 429
    assert any("а" <= letter <= "я" for letter in answer.problems[""])


async def test_signing_out_ends_the_session(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.VIEWER)
    page = await browser.get("/batches")
    cookie = browser.client.cookies[SESSION_COOKIE]
    page = await browser.submit("/sign-out")
    assert page.notice == "You have signed out."
    browser.client.cookies.set(SESSION_COOKIE, cookie, domain="127.0.0.1", path="/")
    assert (await browser.get("/batches")).location.startswith("/sign-in")


async def test_a_password_that_was_given_out_has_to_be_changed_first(
    open_browser: OpenBrowser, stage: Stage
) -> None:
    person = await add_person(stage, ANNA, Role.ADMIN, must_change_password=True)
    browser = await open_browser()
    assert (await browser.sign_in(person)).location == "/password"
    for path in ("/", "/batches", "/users", "/sign-in"):
        assert (await browser.get(path)).location == "/password", path
    page = await browser.get("/password")
    assert "given out by somebody else" in page.text
    page = await browser.submit("/password", current_password=PASSWORD, new_password=NEW, repeated=NEW)
    assert page.notice.startswith("The password is changed.")
    assert (await browser.get("/users")).status == 200
    assert (await (await open_browser()).sign_in(person, NEW)).location == "/"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"current_password": WRONG, "new_password": NEW, "repeated": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": NEW, "repeated": NEW + "!"}, "repeated"),
        ({"current_password": PASSWORD, "new_password": "short", "repeated": "short"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": PASSWORD, "repeated": PASSWORD}, "new_password"),
    ],
)
async def test_a_password_that_cannot_be_taken_changes_nothing(
    open_browser: OpenBrowser, stage: Stage, fields: dict[str, str], field: str
) -> None:
    person = await add_person(stage, ANNA)
    browser = await open_browser()
    await browser.sign_in(person)
    await browser.get("/password")
    answer = await browser.post("/password", **fields)
    assert answer.status == 422
    assert answer.problems[field]
    assert not any(value in answer.html for value in fields.values() if value != "short")
    assert (await (await open_browser()).sign_in(person)).status == 303


async def test_a_password_change_that_is_sent_twice_changes_it_once(
    open_browser: OpenBrowser, stage: Stage
) -> None:
    person = await add_person(stage, ANNA)
    browser = await open_browser()
    await browser.sign_in(person)
    await browser.get("/password")
    fields = {"current_password": PASSWORD, "new_password": NEW, "repeated": NEW}
    answers = [await browser.post("/password", **fields) for _ in range(2)]
    assert [(answer.status, answer.location) for answer in answers] == [(303, "/"), (303, "/")]
    changes = await stage.execute("SELECT 1 FROM audit_logs WHERE action = 'user.password_changed'")
    assert len(changes) == 1
    other = await browser.post("/password", **(fields | {"new_password": NEW + "!", "repeated": NEW + "!"}))
    assert (other.status, bool(other.problems[""])) == (409, True)
    # What is kept of the form is no quick hash of a password.
    (row,) = await stage.execute("SELECT request_digest FROM idempotency_keys")
    guesses = [hashlib.sha256(text.encode()).digest() for text in (NEW, repr(NEW))]
    assert bytes(row.request_digest) not in guesses
    assert (await (await open_browser()).sign_in(person, NEW)).location == "/"


async def test_two_clicks_at_once_change_a_password_once(open_browser: OpenBrowser, stage: Stage) -> None:
    person = await add_person(stage, ANNA)
    browser = await open_browser()
    await browser.sign_in(person)
    await browser.get("/password")
    fields = {"current_password": PASSWORD, "new_password": NEW, "repeated": NEW}
    first, second = await asyncio.gather(*(browser.post("/password", **fields) for _ in range(2)))
    assert [(first.status, first.location), (second.status, second.location)] == [(303, "/"), (303, "/")]


async def test_another_language_leads_back_to_a_page_that_can_be_opened(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.ADMIN)
    await browser.get("/users")
    page = await browser.get(f"/users/{browser.person.id if browser.person else ''}")
    user = next(form.get("action") for form in page.forms() if form.get("action").endswith("/password"))
    page = await browser.post(user, password="short")
    assert page.status == 422
    page = await browser.submit("/preferences", language="ru")
    assert (page.status, page.root.find("html").get("lang")) == (200, "ru")
    await browser.get("/batches/new")
    page = await browser.post("/batches/new", name="")
    assert (page.status, page.value("back")) == (422, "/batches/new")


async def test_a_form_is_shown_again_in_another_language_and_nothing_is_done(
    browser_as: BrowserAs, stage: Stage
) -> None:
    browser = await browser_as(Role.ADMIN)
    await browser.get("/batches/new")
    browser.speak("ru")
    page = await browser.post("/batches/new", name="Morning", text="@one_news", only_show="yes")
    assert (page.status, page.title) == (200, "Новая подборка")
    assert (page.value("name"), page.value("text")) == ("Morning", "@one_news")
    await browser.get("/users/new")
    page = await browser.post("/users/new", name="Anna", email="a@b.example", password=NEW, only_show="yes")
    assert (page.status, page.value("email")) == (200, "a@b.example")
    await browser.get("/templates/new")
    page = await browser.post("/templates/new", name="Mine", content="Text", only_show="yes")
    assert (page.status, page.value("content")) == (200, "Text")
    await browser.get("/campaigns/new")
    page = await browser.post("/campaigns/new", step="pace", name="Mine", delivery_rate="7", only_show="yes")
    assert (page.status, page.value("delivery_rate"), page.value("name")) == (200, "7", "Mine")
    await browser.get("/password")
    page = await browser.post(
        "/password", current_password=PASSWORD, new_password=NEW, repeated=NEW, only_show="yes"
    )
    assert page.status == 200
    for table in ("batches", "templates", "campaigns"):
        assert await stage.execute(f"SELECT 1 FROM {table}") == []
    assert len(await stage.execute("SELECT 1 FROM users")) == 1


async def test_language_and_colours_are_kept_in_the_browser(open_browser: OpenBrowser) -> None:
    browser = await open_browser()
    page = await browser.get("/sign-in?next=/batches")
    assert page.root.find("html").get("lang") == "en"
    page = await browser.submit("/preferences", language="ru", theme="dark")
    assert page.root.find("html").get("lang") == "ru"
    assert page.root.find("html").get("data-theme") == "dark"
    assert page.value("next") == "/batches"
    page = await browser.submit("/preferences", language="xx", theme="pink")
    assert page.root.find("html").get("lang") == "ru"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("ru-RU,ru;q=0.9,en;q=0.8", "ru"), ("en-GB", "en"), ("de", "en"), ("", "en"), ("*" * 5000, "en")],
)
async def test_the_browsers_language_is_taken_until_another_is_chosen(
    open_browser: OpenBrowser, accepted: str, language: str
) -> None:
    page = await (await open_browser()).get("/sign-in", headers={"Accept-Language": accepted})
    assert page.root.find("html").get("lang") == language


@pytest.mark.parametrize("cookies", [{"vestnik_zone": "../../etc/passwd"}, {"vestnik_zone": "No/Where"}])
async def test_a_zone_that_is_none_is_passed_over(browser_as: BrowserAs, cookies: dict[str, str]) -> None:
    browser = await browser_as(Role.VIEWER)
    for name, value in cookies.items():
        browser.client.cookies.set(name, value, domain="127.0.0.1", path="/")
    assert "times in UTC" in (await browser.get("/audit")).text


async def test_times_are_those_of_the_browsers_zone(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.VIEWER)
    browser.client.cookies.set("vestnik_zone", "Asia/Vladivostok", domain="127.0.0.1", path="/")
    page = await browser.get("/audit")
    assert "times in Asia/Vladivostok" in page.text
    moment = page.root.find_all("time")[0]
    assert moment.get("datetime").endswith("Z")
