"""An operator's day in the browser, against the real worker and the simulated Telegram, in each language."""

import csv
import re
import struct
import zlib
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import (
    OWN_PASSWORD,
    Installation,
    OpenPage,
    Watch,
    keep_screenshot,
    replace_first_password,
    sign_in,
)
from tests.browser.simulator import list_posts, set_faults
from vestnik.console.languages import NAMES
from vestnik.simulator.faults import Fault, FaultKind

CHANNELS = 40
STANDING = "section.standing"
WORDS = {
    "en": ("Morning", "Good morning", "Good evening"),
    "ru": ("Утро", "Доброе утро", "Добрый вечер"),
}


def draw_picture(width: int = 480, height: int = 270) -> FilePayload:
    """A PNG of a sky that gets lighter."""
    rows = b"".join(
        b"\0" + bytes((40 + 150 * y // height, 90 + 120 * y // height, 200)) * width for y in range(height)
    )

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return {"name": "sky.png", "mimeType": "image/png", "buffer": png}


def enter(page: Page, installation: Installation) -> None:
    """Sign in; whoever is the first replaces the password that was printed."""
    known = {"email": installation.email, "password": OWN_PASSWORD}
    if httpx.post(f"{installation.url}/api/auth/login", json=known).status_code == 200:
        sign_in(page, installation.email)
    else:
        replace_first_password(page, installation)


def import_channels(page: Page, prefix: str, batch: str) -> None:
    """By paste, with lines that are none."""
    names = "\n".join(f"@{prefix}_{number}" for number in range(CHANNELS))
    page.goto("/channels/import")
    page.fill("#text", f"{names}\n@{prefix}_1\nno channel at all!\n")
    page.check("#target-new")
    page.fill("#batch_name", batch)
    page.click("main form.card button.primary")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.click("button[name=step][value=import]")
    expect(page.locator(".figures dd").first).to_have_text(str(CHANNELS))


def write_template(page: Page, name: str, text: str) -> None:
    """With a picture, watching the preview."""
    page.goto("/templates/new")
    page.fill("#name", name)
    page.select_option("#parse_mode", "HTML")
    page.fill("#content", f"<b>{text}</b>, {{channel_title}}!")
    expect(page.locator(".post b")).to_have_text(text)
    page.set_input_files("#file", files=[draw_picture()])
    expect(page.locator("#picture img")).to_be_visible()
    keep_screenshot(page, f"day-template-{page.evaluate('document.documentElement.lang')}", whole=False)
    page.click("form#editor button.primary:not([type=button])")
    page.wait_for_url("**/templates/*-*")


def make_campaign(page: Page, name: str, rate: str) -> None:
    """Through the wizard, and start it."""
    page.goto("/campaigns/new")
    page.fill("#name", name)
    page.get_by_role("radio", name=name, exact=False).first.check()
    page.click("button.primary[name=go][value=next]")
    page.get_by_role("radio", name=name, exact=False).first.check()
    page.click("button.primary[name=go][value=next]")
    page.fill("#delivery_rate", rate)
    page.click("button.primary[name=go][value=next]")
    expect(page.locator(".figures dd").nth(1)).to_have_text(str(CHANNELS))
    page.click("button[name=go][value=start]")
    page.wait_for_url("**/campaigns/*-*")


def count_posted(page: Page) -> int:
    shown = page.locator(f"{STANDING} .legend .sent b")
    return int(shown.inner_text()) if shown.count() else 0


def wait_until_posted(page: Page, number: int) -> None:
    page.wait_for_function(
        "number => Number(document.querySelector('section.standing .legend .sent b')?.textContent) >= number",
        arg=number,
    )


def expect_status(page: Page, status: str) -> None:
    expect(page.locator(STANDING)).to_have_attribute("data-status", status)


@pytest.mark.parametrize("language", sorted(NAMES))
def test_an_operators_day(
    installation: Installation, open_page: OpenPage, tmp_path: Path, language: str
) -> None:
    batch, morning, evening = WORDS[language]
    prefix = f"day_{language}"
    refusing = f"{prefix}_7"
    page = open_page(language=language)
    enter(page, installation)
    import_channels(page, prefix, batch)
    write_template(page, batch, morning)
    refusal = Fault(
        method="messages.send*", kind=FaultKind.ERROR, channel=refusing, code=403, name="CHAT_WRITE_FORBIDDEN"
    )
    set_faults(installation.endpoint, refusal)
    make_campaign(page, batch, "8")

    # The bar moves by itself, and Telegram's wait shows and clears itself.
    wait_until_posted(page, 3)
    flood = Fault(method="messages.send*", kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_5", count=1)
    set_faults(installation.endpoint, flood, refusal)
    expect_status(page, "PAUSED")
    expect(page.locator(f"{STANDING} [data-countdown]")).to_be_visible()
    keep_screenshot(page, f"day-flood-wait-{language}", whole=False)
    waited_at = count_posted(page)
    expect_status(page, "RUNNING")
    wait_until_posted(page, waited_at + 3)
    keep_screenshot(page, f"day-running-{language}", whole=False)

    # Pause and resume.
    page.click("form[action$='/pause'] button")
    expect_status(page, "PAUSED")
    paused_at = count_posted(page)
    page.click("form[action$='/resume'] button")
    wait_until_posted(page, paused_at + 1)
    expect_status(page, "COMPLETED")
    assert count_posted(page) == CHANNELS - 1

    # The channel that refuses is found, looked at, reactivated, and posted in after all.
    page.fill("#search", refusing)
    row = page.locator("#posts tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("CHAT_WRITE_FORBIDDEN")
    keep_screenshot(page, f"day-completed-{language}")
    campaign = page.url
    row.locator("a").first.click()
    page.locator("form[action*='/reactivate'] button").first.click()
    answer = page.locator("dialog[open] [data-yes]")
    if answer.count():
        answer.click()
    expect(page.locator("main [role=status].good")).to_be_visible()
    set_faults(installation.endpoint)
    page.goto(campaign)
    page.locator("form[action$='/retry'] button").first.click()
    page.click("dialog[open] [data-yes]")
    wait_until_posted(page, CHANNELS)
    expect_status(page, "COMPLETED")

    # The report, and a test send.
    with page.expect_download() as downloading:
        page.locator("a[href$='/report.csv']").click()
    report = tmp_path / "report.csv"
    downloading.value.save_as(report)
    with report.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == CHANNELS
    assert {row["status"] for row in rows} == {"SENT"}
    page.goto("/send")
    page.fill("#names", f"@{refusing}")
    page.fill("#text", evening)
    page.click("form#send button.primary:not([type=button])")
    expect(page.locator("#results [role=status]")).to_have_class("alert good")

    page.goto("/")
    keep_screenshot(page, f"day-overview-{language}", whole=False)
    page.locator("form[action='/sign-out'] button").click()
    page.wait_for_url("**/sign-in")
    page.goto(campaign)
    page.wait_for_url("**/sign-in?next=*")
    check_posts(installation, prefix, morning, evening)


def check_posts(installation: Installation, prefix: str, morning: str, evening: str) -> None:
    """Each channel has the post once, with its picture, and one the test as well."""
    posts = [post for post in list_posts(installation.endpoint) if (post.username or "").startswith(prefix)]
    mornings = [post for post in posts if post.text.startswith(morning)]
    assert len({post.channel_id for post in mornings}) == len(mornings) == CHANNELS
    assert [post.text for post in posts if post not in mornings] == [evening]


def test_what_is_wrong_with_a_form_stands_at_the_field_in_the_language_of_the_person(
    installation: Installation, open_page: OpenPage, watch: Watch
) -> None:
    watch.expected = ("422",)
    page = open_page(language="ru")
    enter(page, installation)
    page.goto("/batches/new")
    page.fill("#name", "x" * 150)
    page.evaluate("document.querySelector('#name').removeAttribute('maxlength')")
    page.fill("#name", "x" * 300)
    page.click("main form.card button.primary")
    problem = page.locator("#name-problem")
    expect(problem).to_be_visible()
    assert any("а" <= letter <= "я" for letter in problem.inner_text())
    expect(page.locator("#name")).to_have_value("x" * 300)
    expect(page.locator("#name")).to_have_attribute("aria-invalid", "true")


def test_a_double_click_acts_once(installation: Installation, open_page: OpenPage) -> None:
    page = open_page()
    enter(page, installation)
    page.goto("/batches/new")
    page.fill("#name", "Clicked twice")
    page.locator("main form.card button.primary").dblclick()
    page.wait_for_url(re.compile(r"/batches/[0-9a-f-]{36}"))
    page.goto("/batches?search=Clicked twice")
    expect(page.locator("tbody tr")).to_have_count(1)
