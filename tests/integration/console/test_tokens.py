"""API tokens on their page."""

import pytest

from tests.integration.console.conftest import BrowserAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

EVIL = "<script>alert(1)</script>"


async def test_a_new_token_is_shown_once_and_works(browser_as: BrowserAs, stage: Stage, web_state) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/tokens")
    page = await browser.post("/tokens", name="script", scope="READ", days="30")
    token = page.root.find(id="token").get("value")
    assert token.startswith("vst_")
    page = await browser.get("/tokens")
    assert token not in page.html
    assert token[-4:] in page.text
    row = await stage.one("SELECT scope, expires_at - created_at AS life FROM api_tokens")
    assert (row.scope, round(row.life.total_seconds() / 86_400)) == ("READ", 30)


async def test_a_form_sent_twice_makes_one_token(browser_as: BrowserAs, stage: Stage) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/tokens")
    form = browser.page
    await browser.post("/tokens", name="script", scope="FULL", days="")
    browser.page = form
    again = await browser.post("/tokens", name="script", scope="FULL", days="")
    assert again.location == "/tokens"
    assert len(await stage.execute("SELECT 1 FROM api_tokens")) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"name": " "}, "name"), ({"scope": "ALL"}, "scope"), ({"days": "12"}, "days"), ({"days": "x"}, "days")],
)
async def test_a_token_that_cannot_be_made_is_explained(
    browser_as: BrowserAs, stage: Stage, wrong: dict[str, str], field: str
) -> None:
    browser = await browser_as(Role.VIEWER)
    await browser.get("/tokens")
    page = await browser.post("/tokens", **({"name": "typed", "scope": "READ", "days": "30"} | wrong))
    assert page.status == 422
    assert page.problems
    assert field in page.html
    assert page.value("name") == wrong.get("name", "typed")
    assert await stage.execute("SELECT 1 FROM api_tokens") == []


async def test_only_administrators_see_and_revoke_the_tokens_of_others(
    browser_as: BrowserAs, stage: Stage
) -> None:
    admin, editor, viewer = [await browser_as(role) for role in (Role.ADMIN, Role.OPERATOR, Role.VIEWER)]
    await editor.get("/tokens")
    await editor.post("/tokens", name=EVIL, scope="FULL", days="90")
    (row,) = await stage.execute("SELECT id FROM api_tokens")
    path = f"/tokens/{row.id}/revoke"
    assert EVIL not in (await viewer.get("/tokens")).text
    assert (await viewer.post(path)).status == 404
    page = await admin.get("/tokens")
    assert EVIL in page.text
    assert page.forbidden_markup() == []
    assert (await stage.one("SELECT revoked_at FROM api_tokens")).revoked_at is None
    page = await admin.submit(path)
    assert page.notice.startswith("The token is revoked")
    assert (await stage.one("SELECT revoked_at FROM api_tokens")).revoked_at is not None
    page = await editor.get("/tokens")
    assert "Revoked" in page.text
    assert not page.offers(path)
