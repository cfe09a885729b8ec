"""A real browser before a real `vestnik up`: API, console, worker, simulator and database, all its own.

Whatever a page does that it should not - break the content security policy, throw an error, ask another host -
fails the test in which it happened.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.acceptance.running import Running
from vestnik.cli.child import SIMULATOR_VARIABLE
from vestnik.simulator.endpoint import SimulatorEndpoint

HERE = Path(__file__).parent
PATIENCE_MS = 20_000
"""How long a page may take to show something; it only shows when a test fails."""
expect.set_options(timeout=PATIENCE_MS)
OWN_PASSWORD = "three unusual words"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A running Vestnik and its first administrator."""

    url: str
    email: str
    first_password: str
    endpoint: SimulatorEndpoint
    folder: Path


@contextmanager
def run_installation(folder: Path) -> Iterator[Installation]:
    """`vestnik up` in a folder of its own, until the block ends; nothing of it may be left then."""
    arguments = ("--data-dir", str(folder / "data"), "up", "--port", "0", "--json")
    with Running(*arguments, folder=folder) as running:
        ready = running.wait_for("ready")
        first = next(line for line in running.lines if line.get("event") == "first_administrator")
        yield Installation(
            url=ready["url"],
            email=first["email"],
            first_password=first["password"],
            endpoint=_find_endpoint(running),
            folder=folder,
        )
        running.process.terminate()
        assert running.finish() == 0, running.errors


def _find_endpoint(running: Running) -> SimulatorEndpoint:
    """Where the simulator listens, as the worker was told."""
    for child in psutil.Process(running.process.pid).children(recursive=True):
        if (told := child.environ().get(SIMULATOR_VARIABLE)) is not None:
            return SimulatorEndpoint.from_json(told)
    raise AssertionError("no child knows of a simulator")


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that the tests share; each names its own things."""
    with run_installation(tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each test has contexts of its own."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found is not None, "there is no Chromium; run these tests with: make test-browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Watch:
    """What pages did that they should not."""

    host: str
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of messages that a test provokes."""

    def follow(self, page: Page) -> None:
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._note_request)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(part in message.text for part in self.expected):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.host, "data:", "blob:", "about:")):
            self.complaints.append(f"asked another host: {request.url}")


OpenPage = Callable[..., Page]


@pytest.fixture
def watch(installation: Installation) -> Iterator[Watch]:
    """Fails the test at its end if a page did something wrong."""
    watching = Watch(installation.url)
    yield watching
    assert watching.complaints == []


@pytest.fixture
def open_page(chromium: Browser, installation: Installation, watch: Watch) -> Iterator[OpenPage]:
    """Open a page of a browser of its own: language "en" or "ru", theme "light" or "dark", and its width."""
    contexts: list[BrowserContext] = []

    def open_one(
        path: str = "/sign-in",
        *,
        language: str = "en",
        theme: str = "light",
        width: int = 1280,
        zone: str = "Europe/Moscow",
        **options: Any,
    ) -> Page:
        context = chromium.new_context(
            base_url=installation.url,
            locale={"en": "en-GB", "ru": "ru-RU"}[language],
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": 900},
            timezone_id=zone,
            reduced_motion="reduce",
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        watch.follow(page)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()


def sign_in(page: Page, email: str, password: str = OWN_PASSWORD) -> None:
    """Through the form, for certain."""
    page.goto("/sign-in")
    page.fill("#email", email)
    page.fill("#password", password)
    page.click("main button.primary")
    page.wait_for_selector("nav a[href='/campaigns']", state="attached")


def replace_first_password(page: Page, installation: Installation) -> None:
    """What the first administrator has to do before anything else."""
    page.goto("/sign-in")
    page.fill("#email", installation.email)
    page.fill("#password", installation.first_password)
    page.click("main button.primary")
    page.wait_for_url("**/password")
    page.fill("#current_password", installation.first_password)
    page.fill("#new_password", OWN_PASSWORD)
    page.fill("#repeated", OWN_PASSWORD)
    page.click("main button.primary")
    page.wait_for_url(f"{installation.url}/")


def check_accessibility(page: Page) -> None:
    """axe-core finds nothing serious or critical on the page as it is now."""
    source = (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    bad = [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node.get('failureSummary', '')}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]
    assert bad == [], f"{page.url}: {json.dumps(bad, indent=1)}"


def keep_screenshot(page: Page, name: str, *, whole: bool = True) -> None:
    """A picture of the page, or of what is seen of it at first, for people.

    It comes into the folder that TEST_SCREENSHOTS names, build/screenshots without it.
    """
    folder = Path(os.environ.get("TEST_SCREENSHOTS", HERE.parent.parent / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=whole)
