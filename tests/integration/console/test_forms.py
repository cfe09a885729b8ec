"""What all forms have in common: sent once, never over the work of others, and nothing that was typed is lost."""

from tests.integration.api.signing_in import add_person
from tests.integration.console.conftest import PART, BrowserAs
from tests.support.stage import Stage
from vestnik.domain.users import Role
from vestnik.web.identity import SESSION_COOKIE

LONG = "A long text that somebody has thought about for quite a while.\nAnd a second line of it."


async def test_one_key_is_for_one_content(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/batches/new")
    form = browser.page
    first = await browser.post("/batches/new", name="First")
    browser.page = form
    again = await browser.post("/batches/new", name="First")
    browser.page = form
    other = await browser.post("/batches/new", name="Second")
    assert again.location == first.location
    assert other.status == 409
    assert "sent before with other content" in other.problems[""]
    assert [row.name for row in await stage.execute("SELECT name FROM batches")] == ["First"]


async def test_saving_again_after_somebody_elses_change_does_not_undo_it(
    browser_as: BrowserAs, stage: Stage
) -> None:
    person = await add_person(stage, "dora@news.example")
    admin = await browser_as(Role.ADMIN)
    path = f"/users/{person.id}"
    await admin.get(path)
    await stage.execute(
        "UPDATE users SET is_active = false, revision = revision + 1 WHERE id = :id", id=person.id
    )
    for _ in range(2):
        page = await admin.post(path, email=person.email, name="Dora", role="OPERATOR", is_active="on")
        assert page.status == 412
    assert not (await stage.one("SELECT is_active FROM users WHERE id = :id", id=person.id)).is_active


async def test_what_was_typed_outlives_the_session(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR, language="ru")
    await browser.get("/templates/new")
    await stage.execute("DELETE FROM sessions")
    page = await browser.post("/templates/new", name="T", content=LONG, parse_mode="")
    assert page.status == 401
    assert page.root.find("textarea").raw_text.strip() == LONG
    assert page.links["Войти снова"] == "/sign-in"
    browser.client.cookies.delete(SESSION_COOKIE)
    assert (await browser.post("/batches/new", name="short")).location == "/sign-in"
    part = await browser.post("/templates/preview", headers=PART, content=LONG)
    assert part.response.headers["hx-redirect"] == "/sign-in"


async def test_secrets_are_not_shown_again(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.ADMIN)
    await browser.get("/users/new")
    await stage.execute("DELETE FROM sessions")
    page = await browser.post(
        "/users/new", email="somebody.with.a.long.name@news.example", password="a very long password indeed"
    )
    assert "somebody.with.a.long.name@news.example" in page.html
    assert "a very long password indeed" not in page.html
