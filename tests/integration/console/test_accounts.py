"""Accounts on their pages: what holds them back, how fast they post, and letting a restricted one go on."""

from uuid import UUID

import pytest

from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.pages import read_question
from tests.support.stage import Stage
from vestnik.domain.users import Role

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>'


async def add_account(stage: Stage, name: str, *, state: str = "ACTIVE", reason: str | None = None) -> UUID:
    row = await stage.one(
        "INSERT INTO accounts (name, kind, state, state_reason, tg_name, rate)"
        " VALUES (:name, 'USER', :state, :reason, :name, 12.5) RETURNING id",
        name=name,
        state=state,
        reason=reason,
    )
    account_id: UUID = row.id
    return account_id


async def hold(stage: Stage, account_id: UUID, scope: str = "SEND") -> None:
    await stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, :scope, now() + interval '10 minutes', 'FLOOD_WAIT')",
        id=account_id,
        scope=scope,
    )


async def read_account(stage: Stage, account_id: UUID) -> tuple[str, float, int]:
    row = await stage.one("SELECT state, rate, revision FROM accounts WHERE id = :id", id=account_id)
    return row.state, float(row.rate), row.revision


async def test_an_account_says_what_it_waits_for_and_how_long(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await add_account(stage, "Newsroom")
    await hold(stage, account_id)
    await hold(stage, account_id, "RESOLVE")
    browser = await browser_as(Role.VIEWER)
    for path in ("/accounts", f"/accounts/{account_id}"):
        page = await browser.get(path)
        assert "All posts: Telegram asked the account to wait." in page.text
        assert page.text.index("All posts") < page.text.index("Looking up names")
        assert len(page.root.find_all("time", class_="countdown")) == 2, path


async def test_a_state_says_what_to_do(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await add_account(
        stage, "Newsroom", state="LIMITED", reason="PEER_FLOOD: Telegram has restricted this account."
    )
    browser = await browser_as(Role.VIEWER)
    page = await browser.get(f"/accounts/{account_id}")
    assert "Telegram has restricted the account for sending too much." in page.text
    assert "@SpamBot" in page.text
    assert not page.offers(f"/accounts/{account_id}/release")


async def test_stored_text_never_becomes_markup(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await add_account(stage, EVIL, state="NEEDS_LOGIN", reason=f"NEW_ERROR: {EVIL}")
    browser = await browser_as(Role.ADMIN)
    for path in ("/", "/accounts", f"/accounts/{account_id}", "/system"):
        page = await browser.get(path)
        assert page.status == 200
        assert page.forbidden_markup() == [], path
        assert EVIL in page.text, path


@pytest.mark.parametrize("typed", [" 0.33 ", "0,33"])
async def test_an_administrator_changes_the_pace(browser_as: BrowserAs, stage: Stage, typed: str) -> None:
    account_id = await add_account(stage, "Newsroom")
    path = f"/accounts/{account_id}"
    browser = await browser_as(Role.ADMIN)
    page = await browser.get(path)
    assert page.value("rate") == "12.5"
    answer = await browser.post(path, rate=typed)
    again = await browser.post(path, rate=typed)  # the same form once more
    assert answer.location == again.location == path
    assert await read_account(stage, account_id) == ("ACTIVE", 0.33, 2)
    page = await browser.get(path)
    assert page.notice == "Saved."
    assert page.value("rate") == "0.33"


@pytest.mark.parametrize("typed", ["", "fast", "0", "-1", "1001", "1e999", "NaN", "0;5", "1" * 5000])
async def test_a_pace_that_makes_no_sense_is_told_at_its_field(
    browser_as: BrowserAs, stage: Stage, typed: str
) -> None:
    account_id = await add_account(stage, "Newsroom")
    path = f"/accounts/{account_id}"
    browser = await browser_as(Role.ADMIN)
    await browser.get(path)
    page = await browser.post(path, rate=typed)
    assert page.status == 422
    assert page.problems["rate"]
    assert page.value("rate") == typed
    assert await read_account(stage, account_id) == ("ACTIVE", 12.5, 1)


async def test_a_pace_changed_by_somebody_else_meanwhile_is_not_overwritten(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await add_account(stage, "Newsroom")
    path = f"/accounts/{account_id}"
    first, second = await browser_as(Role.ADMIN), await browser_as(Role.ADMIN)
    await first.get(path)
    await second.get(path)
    await first.post(path, rate="3")
    page = await second.post(path, rate="4")
    assert page.status == 412
    assert page.problems[""]
    assert page.value("rate") == "4"
    assert "3 a second" in page.text
    assert (await read_account(stage, account_id))[1] == 3
    # Now that it was seen, it may be replaced.
    assert (await second.post(path, rate="4")).status == 303
    assert (await read_account(stage, account_id))[1] == 4


async def test_what_is_asked_for_again_has_what_keeps_the_account_from_posting(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await add_account(stage, "Newsroom")
    browser = await browser_as(Role.ADMIN)
    page = await browser.get(f"/accounts/{account_id}")
    assert not page.root.find_all("div", class_="bad")
    await stage.execute("UPDATE accounts SET state = 'LIMITED' WHERE id = :id", id=account_id)
    replaced = (await browser.get(page.root.find(id="standing").get("hx-get"))).root.find(id="standing")
    assert replaced.find("div", class_="bad").find_all("form", action=f"/accounts/{account_id}/release")


async def test_only_administrators_see_the_form_and_may_send_it(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await add_account(stage, "Newsroom", state="LIMITED")
    for role in (Role.VIEWER, Role.OPERATOR):
        browser = await browser_as(role)
        page = await browser.get(f"/accounts/{account_id}")
        assert not page.offers(f"/accounts/{account_id}")
        assert (await browser.post(f"/accounts/{account_id}", rate="1")).status == 403
        assert (await browser.post(f"/accounts/{account_id}/release")).status == 403
    assert await read_account(stage, account_id) == ("LIMITED", 12.5, 1)


async def test_a_restricted_account_is_released_after_a_question(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await add_account(stage, "Newsroom", state="LIMITED")
    await stage.execute("UPDATE accounts SET session_ciphertext = 'x' WHERE id = :id", id=account_id)
    path = f"/accounts/{account_id}/release"
    browser = await browser_as(Role.ADMIN, language="ru")
    page = await browser.get(f"/accounts/{account_id}")
    (form,) = page.forms(path)
    assert "Telegram снял ограничение?" in read_question(form)
    answer = await browser.post(path)
    assert (await browser.post(path)).location == answer.location == f"/accounts/{account_id}"
    assert (await read_account(stage, account_id))[0] == "ACTIVE"
    assert (await browser.follow(answer)).notice == "Ограничение с аккаунта снято."
    rows = await stage.execute("SELECT 1 FROM audit_logs WHERE action = 'account.released'")
    assert len(rows) == 1


async def test_a_restricted_account_that_is_logged_out_offers_both_and_says_so(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await add_account(stage, "Newsroom", state="LIMITED")
    browser = await browser_as(Role.ADMIN)
    page = await browser.get(f"/accounts/{account_id}")
    assert "It is logged out as well." in page.text
    assert page.root.find_all("a", href=f"/accounts/{account_id}/login")
    await browser.submit(f"/accounts/{account_id}/release")
    assert (await read_account(stage, account_id))[0] == "NEEDS_LOGIN"
    page = await browser.get(f"/accounts/{account_id}")
    assert page.root.find_all("a", href=f"/accounts/{account_id}/login")
    assert "as well" not in page.text


async def begin_login(stage: Stage, account_id: UUID, method: str, step: str) -> None:
    """A login that some process carries out, or did."""
    await stage.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " VALUES (:id, 'worker', 1, now() + interval '1 hour')",
        id=account_id,
    )
    await stage.execute(
        "INSERT INTO account_logins (account_id, login_id, method, step, epoch, expires_at, finished_at)"
        " VALUES (:id, gen_random_uuid(), :method, :step, 1, now() + interval '1 hour',"
        " CASE WHEN :step = 'DONE' THEN now() END)",
        id=account_id,
        method=method,
        step=step,
    )


async def test_an_account_that_was_never_logged_in_says_so_and_offers_no_sync(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await add_account(stage, "Newsroom", state="NEEDS_LOGIN")
    page = await (await browser_as(Role.ADMIN)).get(f"/accounts/{account_id}")
    assert "It was never logged in" in page.text
    assert "ended its session" not in page.text
    assert page.root.find_all("a", href=f"/accounts/{account_id}/login")
    assert "Sync with Telegram" not in page.text
    await stage.execute("UPDATE accounts SET tg_user_id = 5 WHERE id = :id", id=account_id)
    page = await (await browser_as(Role.ADMIN)).get(f"/accounts/{account_id}")
    assert "ended its session" in page.text


@pytest.mark.parametrize(
    ("method", "said", "offered"),
    [
        ("PHONE", "A login is under way.", "Continue the login"),
        ("LOG_OUT", "It is being logged out.", "See how far it is"),
    ],
)
async def test_a_login_that_is_under_way_is_gone_on_with(
    browser_as: BrowserAs, stage: Stage, method: str, said: str, offered: str
) -> None:
    account_id = await add_account(stage, "Newsroom", state="NEEDS_LOGIN")
    await begin_login(stage, account_id, method, "CHECKING")
    page = await (await browser_as(Role.ADMIN)).get(f"/accounts/{account_id}")
    assert said in page.text
    (link,) = page.root.find_all("a", href=f"/accounts/{account_id}/login")
    assert link.text == offered
    page = await (await browser_as(Role.OPERATOR)).get(f"/accounts/{account_id}")
    assert not page.root.find_all("a", href=f"/accounts/{account_id}/login")


async def test_after_a_log_out_a_login_begins_with_a_way_that_is_chosen(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await add_account(stage, "Newsroom", state="NEEDS_LOGIN")
    await begin_login(stage, account_id, "LOG_OUT", "DONE")
    page = await (await browser_as(Role.ADMIN)).get(f"/accounts/{account_id}/login")
    assert page.root.find("h1").text == "Log in"
    assert "The session has ended at Telegram." in page.text
    assert "checked" in page.root.find("input", id="way-PHONE").attributes


async def test_an_account_that_is_not_restricted_is_not_released(browser_as: BrowserAs, stage: Stage) -> None:
    account_id = await add_account(stage, "Newsroom", state="NEEDS_LOGIN")
    browser = await browser_as(Role.ADMIN)
    await browser.get(f"/accounts/{account_id}")
    page = await browser.post(f"/accounts/{account_id}/release")
    assert page.status == 409
    assert "NEEDS_LOGIN" in page.problems[""]
    assert (await read_account(stage, account_id))[0] == "NEEDS_LOGIN"


async def test_viewers_do_not_see_which_machine_serves_an_account(
    browser_as: BrowserAs, stage: Stage
) -> None:
    account_id = await stage.add_account()
    await stage.acquire(account_id, "secret-host-17")
    viewer, operator = await browser_as(Role.VIEWER), await browser_as(Role.OPERATOR)
    for path in ("/accounts", f"/accounts/{account_id}"):
        assert "secret-host-17" not in (await viewer.get(path)).html
        assert "secret-host-17" in (await operator.get(path)).text


async def test_an_account_that_there_is_not_is_a_page_of_its_own(browser_as: BrowserAs) -> None:
    browser: Browser = await browser_as(Role.ADMIN)
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await browser.get(f"/accounts/{unknown}")).status == 404
    assert (await browser.get("/accounts/nonsense")).status == 404
    assert (await browser.post(f"/accounts/{unknown}", rate="1")).status == 404
