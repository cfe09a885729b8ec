"""What is typed into forms stays there, whatever else is pressed; questions are asked with scripts and without."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Installation, OpenPage, sign_in
from tests.browser.newsroom import Newsroom


@pytest.fixture(scope="module")
def newsroom(installation: Installation) -> Iterator[Newsroom]:
    entered = Newsroom.enter(installation)
    yield entered
    entered.close()


def test_another_language_or_theme_leaves_what_is_typed(
    installation: Installation, open_page: OpenPage
) -> None:
    page = open_page()
    sign_in(page, installation.email)
    page.goto("/batches/new")
    page.fill("#name", "Typed")
    page.click("button[name=theme][value=dark]")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#name")).to_have_value("Typed")
    expect(page.locator("button[name=theme][value=dark]")).to_have_attribute("aria-current", "true")
    page.click("button[name=language][value=ru]")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#name")).to_have_value("Typed")
    # The page came of a form now, and is shown again all the same.
    page.click("button[name=language][value=en]")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#name")).to_have_value("Typed")


def test_checked_boxes_and_a_pasted_list_survive_searching(
    installation: Installation, open_page: OpenPage, newsroom: Newsroom
) -> None:
    batch = newsroom.add_batch("kept", newsroom.add_channels(["kept_1"]))
    newsroom.add_channels(["other_1", "other_2"])
    page = open_page()
    sign_in(page, installation.email)
    page.goto(f"/batches/{batch}/add")
    page.fill("#search", "other_")
    expect(page.locator("#results tbody tr")).to_have_count(2)
    page.get_by_label("Choose @other_1", exact=True).check()
    page.fill("#text", "@pasted_one")
    page.fill("#search", "other_2")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#results fieldset input")).to_be_checked()
    page.get_by_label("Choose @other_2", exact=True).check()
    page.get_by_role("button", name="Add the chosen").click()
    expect(page.locator(".alert.good")).to_have_text("The channels are in the batch.")
    expect(page.locator("#text")).to_have_value("@pasted_one")
    expect(page.get_by_text("3 channels are in it now.")).to_be_visible()


def test_a_question_is_asked_once_with_the_keyboard_alone(
    installation: Installation, open_page: OpenPage, newsroom: Newsroom
) -> None:
    ids = newsroom.add_channels(["keyed_1"])
    campaign_id = newsroom.add_campaign(
        "keyed", newsroom.add_batch("keyed", ids), newsroom.add_template("keyed", "Hello"), rate=1
    )
    page = open_page()
    sign_in(page, installation.email)
    page.goto(f"/campaigns/{campaign_id}")
    button = page.get_by_role("button", name="Cancel the campaign")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open] [data-no]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("dialog[open] [data-yes]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("section.standing .badge")).to_have_text("Cancelled")
    expect(page.locator("h1")).to_have_text("keyed")
