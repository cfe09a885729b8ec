"""The whole console in Russian: what somebody reads, hears or is asked holds no English."""

import re
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

from tests.integration.api.signing_in import WRONG, add_person
from tests.integration.console.campaigns import World
from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.pages import SILENT, Node, Page
from tests.support.stage import Stage
from vestnik.domain.users import Role

SAID = ("alt", "aria-label", "placeholder", "title", "data-too-large")
"""Attributes that are read out or shown."""
LITERAL = {"code", "pre", "kbd", "samp", "textarea"}
_WORD = re.compile(r"(?<![\w@./:+%{<-])[A-Za-z][a-z]{2,}(?![\w@/:.}>]*[@/_}>]|\w)")
NAMES = """
    vestnik telegram python markdown postgresql premium windows latin excel english default rehearsal worker demo
    good morning first batch channel campaign template test users anna admin operator viewer bot simulator europe moscow
    localhost authorization bearer telethon gramjs api hash
"""
"""Of ours and others, and what people called their things here."""


def read_texts(node: Node) -> Iterator[str]:
    """All that reaches a person, without what is not a matter of language."""
    for child in node.children:
        if isinstance(child, str):
            yield child
        elif child.tag not in SILENT | LITERAL and child.get("lang") != "en" and "mono" not in child.classes:
            yield from (child.get(name) for name in SAID)
            if child.get("name") == "question":
                yield child.get("value")
            yield from read_texts(child)


def find_english(page: Page) -> set[str]:
    """Words in Latin letters that are no names."""
    return {
        word
        for text in read_texts(page.root)
        for word in _WORD.findall(text)
        if word.lower() not in NAMES.split()
    }


def list_links(page: Page) -> set[str]:
    """Where its links lead within the console; of lists with a query one is enough."""
    found = set()
    for link in page.root.find_all("a"):
        parts = urlsplit(link.get("href"))
        is_page = (
            not parts.netloc and parts.path.startswith("/") and not parts.path.startswith(("/api", "/static"))
        )
        if is_page and not parts.path.endswith((".csv", "/csv", "/export")):
            found.add(parts.path)
    return found


async def test_no_page_holds_english_for_a_russian_reader(browser_as: BrowserAs, world: World) -> None:
    await fill(world)
    browser = await browser_as(Role.ADMIN, language="ru")
    waiting, seen, english = ["/"], {"/"}, {}
    while waiting:
        path = waiting.pop()
        page = await browser.get(path)
        if page.status != 200 or not page.root.find_all("h1"):
            assert page.status in {200, 303}, (path, page.status)
            continue
        if words := find_english(page):
            english[path] = words
        fresh = list_links(page) - seen
        seen |= fresh
        waiting += sorted(fresh)
    assert {"/campaigns", "/channels", "/batches/new", "/templates/new", "/send", "/system"} <= seen
    assert len(seen) >= 30, seen
    assert english == {}, sorted(english.items())


async def fill(world: World) -> None:
    """Something of everything: a campaign that failed in parts, one to come, a stopped channel."""
    campaign = await world.add_campaign(start=True, name="Утро")
    await world.post(campaign, sent=3, failed={"CHANNEL_PRIVATE": 2})
    await world.stage.execute(
        "UPDATE jobs SET error_message = 'The channel is private, or this account was removed or banned from it "
        "(CHANNEL_PRIVATE).' WHERE status = 'FAILED'"
    )
    await world.add_campaign(name="Вечер")
    await world.stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'USERNAME_INVALID', inactive_since = now() "
        "WHERE id = :id",
        id=world.channels[-1],
    )


async def test_errors_are_told_in_russian(
    open_browser: Callable[[], Awaitable[Browser]], stage: Stage
) -> None:
    person = await add_person(stage, "anna@news.example")
    browser = await open_browser()
    browser.speak("ru")
    answer = await browser.sign_in(person, WRONG)
    assert answer.problems[""] == "Неверный адрес почты или пароль"


async def test_what_is_typed_wrong_is_told_in_russian_at_its_field(
    browser_as: BrowserAs, world: World
) -> None:
    browser = await browser_as(Role.OPERATOR, language="ru")
    await browser.get("/batches/new")
    answer = await browser.post("/batches/new", name="\u2800")
    assert answer.status == 422
    assert answer.problems["name"].startswith("В поле «название» есть невидимый символ U+2800")


async def test_refusals_are_told_in_russian(browser_as: BrowserAs) -> None:
    browser = await browser_as(Role.VIEWER, language="ru")
    answer = await browser.get("/users")
    assert answer.status == 403
    assert "Для этого нужна роль «Администратор»; ваша роль — «Наблюдатель»" in answer.text
    missing = await browser.get("/nothing-here")
    assert "Такой страницы нет" in missing.text


async def test_a_browser_that_prefers_russian_gets_russian(
    open_browser: Callable[[], Awaitable[Browser]],
) -> None:
    browser = await open_browser()
    for preference in ("ru-RU,ru;q=0.9,en;q=0.8", "RU"):
        page = await browser.get("/sign-in", headers={"Accept-Language": preference})
        assert page.title == "Войти"
        assert page.root.find("html").get("lang") == "ru"
