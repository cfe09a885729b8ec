"""Every page in both themes, both languages and on a phone: usable for everybody, light, and nothing beside it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Response

from tests.browser.conftest import (
    OWN_PASSWORD,
    Installation,
    OpenPage,
    Watch,
    check_accessibility,
    keep_screenshot,
    sign_in,
)
from tests.browser.newsroom import Newsroom
from tests.browser.test_operators_day import draw_picture
from vestnik.console.app import ROUTERS
from vestnik.console.languages import NAMES

HEAVIEST = 150 * 1024
"""Bytes of a page with everything that it loads."""
NO_PAGES = {"/live", "/sign-in", "/channels/{channel_id}/picture"}
"""They never end, lead on for somebody who is signed in, or have nothing for a channel that was typed in."""
EVIL = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>"\'>{{ 7*7 }}'


@pytest.fixture(scope="module")
def places(installation: Installation) -> Iterator[dict[str, str]]:
    """An id of each noun, all named as somebody would who means ill; or the page of another one."""
    newsroom = Newsroom.enter(installation)
    channels = newsroom.add_channels([f"every_page_{number}" for number in range(60)])
    batch = newsroom.add_batch(f"batch {EVIL}", channels)
    template = newsroom.add_template(f"template {EVIL}", EVIL.replace("{", "{{"))
    running = newsroom.add_campaign(f"running {EVIL}", batch, template, rate=1)
    ended = newsroom.add_campaign(f"ended {EVIL}", batch, template, rate=100)
    draft = newsroom.add_campaign(f"draft {EVIL}", batch, template)
    newsroom.check(draft)
    newsroom.act(running, "start")
    newsroom.act(ended, "start")
    newsroom.wait_for(ended, "COMPLETED")
    newsroom.act(running, "pause")  # so that its content can be corrected
    sent = newsroom.post("/api/test/send", {"channels": ["@every_page_0"], "text": EVIL.replace("{", "{{")})
    picture = newsroom.add_picture(f"{EVIL}.png", draw_picture()["buffer"])
    account = newsroom.post(
        "/api/accounts",
        {"name": f"account {EVIL}", "apiId": 1, "apiHash": "0123456789abcdef0123456789abcdef"},
    )
    person = newsroom.post(
        "/api/users",
        {"email": "evil@news.example", "name": EVIL[:100], "role": "VIEWER", "password": OWN_PASSWORD},
    )
    destination = newsroom.post(
        "/api/alert-destinations",
        {"name": EVIL, "kind": "WEBHOOK", "url": "http://127.0.0.1:1/", "signingKey": "0123456789abcdef"},
    )
    yield {
        "campaign_id": running,
        "/campaigns/{campaign_id}/preflight": f"/campaigns/{draft}/preflight",
        "channel_id": channels[0],
        "batch_id": batch,
        "template_id": template,
        "user_id": person["id"],
        "account_id": account["id"],
        "media_id": picture,
        "destination_id": destination["id"],
        "alert_id": str(newsroom.wait_for_alert()),
        "send_id": sent["results"][0]["id"],
    }
    newsroom.close()


def list_pages(places: dict[str, str]) -> list[str]:
    """The address of every page that a browser can open, from the routes themselves."""
    found = []
    for router in ROUTERS:
        for route in router.routes:
            if "GET" not in route.methods or route.path in NO_PAGES:  # type: ignore[attr-defined]
                continue
            path: str = route.path  # type: ignore[attr-defined]
            found.append(places.get(path) or path.format_map(places))
    return found


def see(page: Page, path: str) -> Response:
    response = page.goto(path)
    assert response is not None
    return response


def list_whole_pages(page: Page, places: dict[str, str]) -> list[str]:
    """Those of the addresses that a person opens: not parts of pages, pictures and files."""
    found = []
    for path in list_pages(places):
        answer = page.request.get(path)
        assert answer.status == 200, path
        is_text = answer.headers["content-type"].startswith("text/html")
        if is_text and answer.text().startswith("<!doctype html>"):
            found.append(path)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", sorted(NAMES))
def test_every_page_is_accessible_and_fits_a_phone(
    installation: Installation, open_page: OpenPage, places: dict[str, str], language: str, theme: str
) -> None:
    wide = open_page(language=language, theme=theme)
    phone = open_page(language=language, theme=theme, width=360)
    for page in (wide, phone):
        check_accessibility(page)
        sign_in(page, installation.email)
    for path in list_whole_pages(wide, places):
        for page, size in ((wide, "wide"), (phone, "phone")):
            see(page, path)
            check_accessibility(page)
            assert page.evaluate("document.documentElement.lang") == language
            overhang = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overhang <= 0, f"{path} is {overhang} px wider than the {size} window"
            assert page.evaluate("window.broken") is None, path
            name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "one", path).strip("/").replace("/", "-")
            keep_screenshot(page, f"{name or 'overview'}-{language}-{theme}-{size}")


def test_no_page_weighs_more_than_150_kilobytes(
    installation: Installation, open_page: OpenPage, places: dict[str, str]
) -> None:
    page = open_page()
    sign_in(page, installation.email)
    for path in list_whole_pages(page, places):
        sizes: list[int] = []
        client = page.context.new_cdp_session(page)
        client.send("Network.enable")
        client.send("Network.setCacheDisabled", {"cacheDisabled": True})
        client.on(
            "Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"])
        )
        see(page, path)
        page.wait_for_load_state("load")
        client.detach()
        assert sum(sizes) < HEAVIEST, f"{path}: {sum(sizes)} bytes"


def test_what_is_not_there_is_said_in_words(
    installation: Installation, open_page: OpenPage, places: dict[str, str], watch: Watch
) -> None:
    watch.expected = ("404",)
    page = open_page(language="ru")
    sign_in(page, installation.email)
    assert see(page, "/campaigns/00000000-0000-0000-0000-000000000000").status == 404
    assert page.locator("[role=alert].bad").inner_text().strip()
    check_accessibility(page)
