"""A Russian page and its English twin name each other, and show the same commands, settings, codes and routes."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
import typer.main

from tests.support.shown_commands import find_commands
from tests.support.shown_lines import Kind, find_lines
from vestnik.cli.app import app

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
RUSSIAN = DOCS / "ru"
PAGES = sorted(RUSSIAN.rglob("*.md"))
README = ROOT / "README.ru.md"
NAME = re.compile(
    r"(?<![\w-])--[a-z][a-z-]+"  # an option
    r"|(?<!\w)[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9](?!\w)"  # a setting or a code
    r"|(?:GET|POST|PUT|PATCH|DELETE) +[/…][\w/…-]+"  # a route
)


def find_twin(page: Path) -> Path:
    """Where the English page stands: tutorials have a folder there, and none here."""
    if page == README:
        return ROOT / "README.md"
    place = page.relative_to(RUSSIAN)
    return DOCS / (place if place.parent.name else Path("tutorial") / place)


def find_links(page: Path, text: str) -> set[Path]:
    """The files that the text would link to if it stood in the page."""
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def outline_command(line: str) -> tuple[str, ...]:
    """Its words up to the command's own, and the names of its options; what stands in their places is left out."""
    command = typer.main.get_command(app)
    context = command.make_context("vestnik", [], resilient_parsing=True)
    words = []
    for word in shlex.split(line.replace("…", " "))[1:]:
        if word.startswith("--"):
            words.append(word.split("=")[0])
        elif hasattr(command, "get_command") and (inner := command.get_command(context, word)):
            words.append(word)
            command = inner
    return tuple(words)


def count_commands(text: str) -> Counter[tuple[str, ...]]:
    """In whatever order, because sentences have another one in each language."""
    return Counter(outline_command(line) for line in find_commands(text))


def count_lines(text: str) -> Counter[str]:
    """Those for other programs, letter for letter; of what these answer, what a program would read."""
    return Counter(
        line.text[: line.text.rindex("}") + 1] if line.kind is Kind.ANSWER else line.text
        for line in find_lines(text)
    )


def find_names(text: str) -> set[str]:
    return {" ".join(name.split()) for name in NAME.findall(text)}


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(RUSSIAN)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_both_pages_link_to_each_other(page: Path) -> None:
    twin = find_twin(page)
    assert page in find_links(twin, twin.read_text(encoding="utf-8"))
    assert twin in find_links(page, page.read_text(encoding="utf-8"))


def test_both_pages_show_the_same_commands(page: Path) -> None:
    shown = {path: count_commands(path.read_text(encoding="utf-8")) for path in (page, find_twin(page))}
    assert shown[page] == shown[find_twin(page)]


@pytest.mark.parametrize("path", [*PAGES, README], ids=lambda path: str(path.relative_to(ROOT)))
def test_both_pages_show_the_same_lines_for_other_programs(path: Path) -> None:
    shown = {each: count_lines(each.read_text(encoding="utf-8")) for each in (path, find_twin(path))}
    assert shown[path] == shown[find_twin(path)]


def test_both_pages_name_the_same_options_settings_codes_and_routes(page: Path) -> None:
    assert find_names(page.read_text(encoding="utf-8")) == find_names(
        find_twin(page).read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("path", [*PAGES, README], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_russian_page_leads_to_russian_ones_where_there_are_some(path: Path) -> None:
    translated = {find_twin(page) for page in PAGES if page != path}
    assert not translated & find_links(path, path.read_text(encoding="utf-8"))


def test_what_only_one_of_two_pages_shows_is_noticed() -> None:
    page = "    vestnik account login newsroom --qr     # by a QR code\n\nSee `vestnik up`.\n"
    same = "Сначала `vestnik up`.\n\n    vestnik account login редакция --qr\n"
    assert count_commands(page) == count_commands(same)
    for other in (
        page.replace(" --qr", ""),
        page.replace("login", "logout"),
        page.replace("See `vestnik up`", ""),
    ):
        assert count_commands(page) != count_commands(other)
    page = '    curl $U/media     # a file\n    {"id": 1}    201\n\nSee `openssl rand -hex 32`.\n'
    same = 'Сначала `openssl rand -hex 32`.\n\n    curl $U/media\n    {"id": 1}    создан\n'
    assert count_lines(page) == count_lines(same)
    for other in (page.replace("media", "medium"), page.replace("32", "16"), page.replace("1}", "2}")):
        assert count_lines(page) != count_lines(other)
    assert find_names("`--timeout`, `PORT`, FLOOD_WAIT: `GET /api/test/send/ID`") == {
        "--timeout",
        "FLOOD_WAIT",
        "GET /api/test/send/ID",
    }
    assert find_links(DOCS / "index.md", "[one](ru/one.md#part) [two](https://example.org)") == {
        RUSSIAN / "one.md"
    }
