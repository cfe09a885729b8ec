"""The one event stream of a page: there while somebody looks, gone while nobody does, honest when it breaks."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Installation, OpenPage, Watch, sign_in
from tests.browser.newsroom import Newsroom

HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
"""Tabs of a browser without a screen are never hidden, so the page is told."""


@pytest.fixture(scope="module")
def newsroom(installation: Installation) -> Iterator[Newsroom]:
    entered = Newsroom.enter(installation)
    yield entered
    entered.close()


def start_campaign(newsroom: Newsroom, name: str, *, channels: int, rate: float) -> str:
    """One that runs; its id."""
    ids = newsroom.add_channels([f"{name}_{number}" for number in range(channels)])
    template = newsroom.add_template(name, "Hello")
    campaign_id = newsroom.add_campaign(name, newsroom.add_batch(name, ids), template, rate=rate)
    newsroom.act(campaign_id, "start")
    return campaign_id


class Streams:
    """The streams that a page has opened, and those that are open."""

    def __init__(self, page: Page) -> None:
        self.opened: list[Request] = []
        self.ended: list[Request] = []
        page.on("request", lambda request: self._note(self.opened, request))
        page.on("requestfinished", lambda request: self._note(self.ended, request))
        page.on("requestfailed", lambda request: self._note(self.ended, request))

    @staticmethod
    def _note(requests: list[Request], request: Request) -> None:
        if "/live" in request.url:
            requests.append(request)

    @property
    def open(self) -> int:
        return sum(request not in self.ended for request in self.opened)


def test_a_page_has_one_stream_and_none_while_it_is_hidden(
    installation: Installation, open_page: OpenPage, newsroom: Newsroom
) -> None:
    campaign_id = start_campaign(newsroom, "streamed", channels=30, rate=1)
    page = open_page()
    sign_in(page, installation.email)
    streams = Streams(page)
    page.goto(f"/campaigns/{campaign_id}")
    posted = page.locator("section.standing .legend .sent b")
    expect(posted).not_to_have_text("0")
    assert streams.open == 1
    page.evaluate(HIDE, True)
    page.wait_for_timeout(300)
    assert streams.open == 0
    seen = int(posted.inner_text())
    page.wait_for_timeout(1_500)
    assert int(posted.inner_text()) == seen
    page.evaluate(HIDE, False)
    page.wait_for_function(
        "seen => Number(document.querySelector('section.standing .legend .sent b').textContent) > seen",
        arg=seen,
    )
    assert streams.open == 1
    assert len(streams.opened) == 2
    newsroom.act(campaign_id, "cancel")


def test_a_page_follows_a_start_that_somebody_else_made(
    installation: Installation, open_page: OpenPage, newsroom: Newsroom
) -> None:
    ids = newsroom.add_channels([f"followed_{number}" for number in range(8)])
    template = newsroom.add_template("followed", "Hello")
    batch = newsroom.add_batch("followed", ids)
    campaign_id = newsroom.add_campaign("followed", batch, template, rate=20)
    page = open_page()
    sign_in(page, installation.email)
    page.goto(f"/campaigns/{campaign_id}")
    expect(page.locator("#schedule form")).to_have_count(1)
    expect(page.locator("#posts tbody tr")).to_have_count(0)
    newsroom.act(campaign_id, "start")
    expect(page.locator("#schedule form")).to_have_count(0, timeout=20_000)
    expect(page.get_by_role("link", name="Download as CSV")).to_be_visible()
    expect(page.locator("#tools input[type=search]")).to_be_visible()
    expect(page.locator("#posts .badge.good")).to_have_count(8, timeout=20_000)
    page.wait_for_function(
        "document.querySelector('#posts').getAttribute('hx-trigger').startsWith('campaign-changed')"
    )


def test_a_lost_connection_shows_itself_and_heals(
    installation: Installation, open_page: OpenPage, newsroom: Newsroom, watch: Watch
) -> None:
    watch.expected = ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED")
    campaign_id = start_campaign(newsroom, "offline", channels=60, rate=2)
    page = open_page()
    sign_in(page, installation.email)
    page.goto(f"/campaigns/{campaign_id}")
    banner = page.locator("[data-connection]")
    expect(banner).to_be_hidden()
    page.context.set_offline(True)
    expect(banner).to_be_visible()
    page.context.set_offline(False)
    expect(banner).to_be_hidden()
    newsroom.act(campaign_id, "cancel")


def test_a_fast_campaign_is_at_most_a_second_behind_and_keeps_the_page_smooth(
    installation: Installation, open_page: OpenPage, newsroom: Newsroom
) -> None:
    page = open_page()
    sign_in(page, installation.email)
    ids = newsroom.add_channels([f"smooth_{number}" for number in range(300)])
    template = newsroom.add_template("smooth", "Hello")
    campaign_id = newsroom.add_campaign("smooth", newsroom.add_batch("smooth", ids), template, rate=100)
    page.goto(f"/campaigns/{campaign_id}")
    page.evaluate("""() => {
      window.longest = 0;
      new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
      }).observe({type: 'longtask'});
    }""")
    newsroom.act(campaign_id, "start")
    newsroom.wait_for(campaign_id, "COMPLETED")
    expect(page.locator("section.standing")).to_have_attribute("data-status", "COMPLETED", timeout=2_000)
    expect(page.locator("section.standing .legend .sent b")).to_have_text("300")
    assert page.evaluate("window.longest") < 500  # milliseconds in which nothing could be clicked
