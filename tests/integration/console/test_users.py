"""People on their pages."""

from uuid import UUID

import pytest

from tests.integration.api.signing_in import add_person
from tests.integration.console.conftest import BrowserAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

PASSWORD = "five quite unusual words"
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
NEW = {"email": "boris@news.example", "name": "Boris", "role": "VIEWER", "password": PASSWORD}


async def test_somebody_who_was_let_in_can_sign_in(browser_as: BrowserAs, open_browser, stage: Stage) -> None:
    admin = await browser_as(Role.ADMIN)
    await admin.get("/users/new")
    page = await admin.submit("/users/new", **NEW)
    assert page.notice == "Created."
    assert (page.value("email"), page.value("role")) == (NEW["email"], "VIEWER")
    person = await stage.one("SELECT id FROM users WHERE email = :email", email=NEW["email"])
    browser = await open_browser()
    await browser.get("/sign-in")
    answer = await browser.post("/sign-in", email=NEW["email"], password=PASSWORD)
    assert answer.location == "/"
    assert (await browser.get(f"/users/{person.id}")).status == 403


async def test_a_form_sent_twice_lets_one_person_in(browser_as: BrowserAs, stage: Stage) -> None:
    admin = await browser_as(Role.ADMIN)
    await admin.get("/users/new")
    first, second = await admin.post("/users/new", **NEW), await admin.post("/users/new", **NEW)
    assert first.location == second.location
    assert len(await stage.execute("SELECT 1 FROM users WHERE email = :email", email=NEW["email"])) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"role": "KING"}, "role"),
        ({"name": "x" * 300}, "name"),
        ({"name": "a\x00b"}, "name"),
    ],
)
@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_person_who_cannot_be_let_in_is_explained(
    browser_as: BrowserAs, stage: Stage, wrong: dict[str, str], field: str, language: str
) -> None:
    admin = await browser_as(Role.ADMIN, language=language)
    await admin.get("/users/new")
    page = await admin.post("/users/new", **(NEW | wrong))
    assert page.status == 422
    if "\x00" in wrong.get("name", ""):
        return
    assert page.problems[field]
    assert any("а" <= letter <= "я" for letter in page.problems[field]) == (language == "ru")
    kept = NEW | wrong
    assert page.value("email") == kept["email"]
    assert PASSWORD not in page.html
    assert await stage.execute("SELECT 1 FROM users WHERE email = :email", email=kept["email"]) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 201, "В имени символов: 201, а можно не больше 200"),
        ("Анна\u200b", "В имени есть невидимый символ U+200B; наберите имя заново без него"),
        ("\u200d", "В имени нет видимых символов; используйте буквы или цифры"),
    ],
)
async def test_a_name_of_a_person_is_called_one_in_russian(
    browser_as: BrowserAs, name: str, said: str
) -> None:
    admin = await browser_as(Role.ADMIN, language="ru")
    await admin.get("/users/new")
    page = await admin.post("/users/new", **(NEW | {"name": name}))
    assert (page.status, page.problems["name"]) == (422, said)


async def test_a_taken_address_is_said_at_the_field(browser_as: BrowserAs, stage: Stage) -> None:
    await add_person(stage, NEW["email"])
    admin = await browser_as(Role.ADMIN)
    await admin.get("/users/new")
    page = await admin.post("/users/new", **NEW)
    assert (page.status, bool(page.problems["email"])) == (409, True)


async def test_the_last_administrator_stays(browser_as: BrowserAs, stage: Stage) -> None:
    admin = await browser_as(Role.ADMIN)
    assert admin.person is not None
    path = f"/users/{admin.person.id}"
    await admin.get(path)
    page = await admin.post(path, email=admin.person.email, name="", role="VIEWER", is_active="on")
    assert page.status == 409
    assert "last active administrator" in page.text
    assert (await stage.one("SELECT role FROM users WHERE id = :id", id=admin.person.id)).role == "ADMIN"


async def test_an_edit_made_on_an_older_state_is_refused_and_kept(
    browser_as: BrowserAs, stage: Stage
) -> None:
    person = await add_person(stage, "vera@news.example")
    admin = await browser_as(Role.ADMIN)
    path = f"/users/{person.id}"
    await admin.get(path)
    await stage.execute(
        "UPDATE users SET name = 'Vera', revision = revision + 1 WHERE id = :id", id=person.id
    )
    page = await admin.post(path, email=person.email, name="Typed", role="OPERATOR", is_active="on")
    assert (page.status, page.value("name")) == (412, "Typed")
    assert (await stage.one("SELECT name FROM users WHERE id = :id", id=person.id)).name == "Vera"


async def test_a_deactivated_person_is_out_at_once(browser_as: BrowserAs) -> None:
    admin, editor = await browser_as(Role.ADMIN), await browser_as(Role.OPERATOR)
    assert editor.person is not None
    path = f"/users/{editor.person.id}"
    await admin.get(path)
    page = await admin.submit(path, email=editor.person.email, name="", role="OPERATOR")
    assert page.notice == "Saved."
    assert (await editor.get("/batches")).location.startswith("/sign-in")


async def test_a_new_password_ends_all_sessions(browser_as: BrowserAs) -> None:
    admin, editor = await browser_as(Role.ADMIN), await browser_as(Role.OPERATOR)
    assert editor.person is not None
    path = f"/users/{editor.person.id}"
    await admin.get(path)
    page = await admin.post(f"{path}/password", password="short")
    assert (page.status, bool(page.problems["password"])) == (422, True)
    assert (await editor.get("/batches")).status == 200
    await admin.submit(f"{path}/password", password=PASSWORD, must_change_password="on")
    assert (await editor.get("/batches")).location.startswith("/sign-in")
    assert (await editor.sign_in(editor.person, PASSWORD)).location == "/password"


async def test_names_are_text_and_nothing_else(browser_as: BrowserAs, stage: Stage) -> None:
    person = await add_person(stage, "mallory@news.example")
    await stage.execute("UPDATE users SET name = :name WHERE id = :id", name=EVIL, id=person.id)
    admin = await browser_as(Role.ADMIN)
    for path in ("/users", f"/users/{person.id}", f"/users?search={EVIL}"):
        page = await admin.get(path)
        assert page.forbidden_markup() == [], path
        assert EVIL in page.text or EVIL in page.values("name") + page.values("search")


async def test_people_are_found_and_paged(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.execute(
        "INSERT INTO users (email, role) SELECT 'person' || lpad(i::text, 3, '0') || '@news.example', 'VIEWER'"
        " FROM generate_series(1, 60) i"
    )
    admin = await browser_as(Role.ADMIN)
    page = await admin.get("/users?search=person")
    assert len(page.rows) == 50
    page = await admin.get(page.links["Further"])
    assert len(page.rows) == 10
    assert "Back to the start" in page.links
    assert (await admin.get("/users?search=person007")).rows[0][0] == "person007@news.example"
    assert "Nobody is called like this." in (await admin.get("/users?search=zzz")).text
    assert (await admin.get("/users?cursor=nonsense")).status == 200


async def test_a_person_who_is_not_there_is_a_page_that_says_so(browser_as: BrowserAs) -> None:
    admin = await browser_as(Role.ADMIN)
    for path in (f"/users/{UUID(int=0)}", "/users/nonsense"):
        assert (await admin.get(path)).status == 404
