"""Accounts: who posts, how fast, and what holds them back."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.account_words import STATES, describe_account, explain_reason
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import MAX_RATE, MIN_RATE
from vestnik.domain.ids import AccountId
from vestnik.domain.installation import SettingSource
from vestnik.domain.users import Role
from vestnik.services import accounts
from vestnik.services.account_edits import AccountChanges, disable_account, enable_account
from vestnik.services.account_edits import change_account as change_account_by
from vestnik.services.account_edits import release_account as release_account_by
from vestnik.services.account_health import get_account_health
from vestnik.services.account_logins import LoginView, get_login
from vestnik.services.queue import AccountStanding, list_account_standings
from vestnik.services.syncs import find_latest_sync
from vestnik.web.state import read_state

router = APIRouter(prefix="/accounts")

Decision = Callable[[AsyncSession, Actor, str], Awaitable[accounts.AccountView]]
"""What a person decides about an account, by its name or id."""

RATE_SETTING = "RATE_LIMIT_MESSAGES_PER_SECOND"
SET_AT_START = (accounts.DEFAULT_ACCOUNT, accounts.REHEARSAL_ACCOUNT)
"""Accounts whose rate the setting replaces at every start."""


@router.get("", **open_to(Role.VIEWER))
async def list_accounts(visitor: Visiting) -> Response:
    """All accounts by name; there are few."""
    standings = await visitor.read(list_account_standings)
    return visitor.render("accounts/list.html", standings=standings, words=STATES)


@router.get("/{account_id}", **open_to(Role.VIEWER))
async def show_account(visitor: Visiting, account_id: UUID) -> Response:
    """One account."""
    return await _show_account(visitor, account_id)


@router.post("/{account_id}", **open_to(Role.ADMIN))
async def change_account(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Set how many posts a second it makes over all its campaigns."""

    async def change(session: AsyncSession) -> str:
        changes = AccountChanges(
            rate=form.text("rate").strip().replace(",", "."),  # as many languages write it
            name=form.text("name") if "name" in form.values else None,
        )
        await change_account_by(
            session, visitor.actor, str(account_id), changes, expected_revision=form.revision()
        )
        return f"/accounts/{account_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_account(visitor, account_id, corrected, status)

    return await submit(visitor, form, change, again=again, notice="saved")


@router.post("/{account_id}/disable", **open_to(Role.ADMIN))
async def disable(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Switch it off."""
    return await _decide(visitor, account_id, form, disable_account, notice="account-disabled")


@router.post("/{account_id}/enable", **open_to(Role.ADMIN))
async def enable(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Switch it on again."""
    return await _decide(visitor, account_id, form, enable_account, notice="account-enabled")


@router.post("/{account_id}/release", **open_to(Role.ADMIN))
async def release_account(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Let a restricted account post again."""
    return await _decide(visitor, account_id, form, release_account_by, notice="account-released")


async def _decide(
    visitor: Visitor, account_id: UUID, form: Form, decide: Decision, *, notice: str
) -> Response:
    async def act(session: AsyncSession) -> str:
        await decide(session, visitor.actor, str(account_id))
        return f"/accounts/{account_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_account(visitor, account_id, corrected, status)

    return await submit(visitor, form, act, again=again, notice=notice)


async def _show_account(
    visitor: Visitor, account_id: UUID, form: Form | None = None, status: int = 200
) -> Response:
    health = await visitor.read(lambda session: get_account_health(session, account_id))
    standing = health.standing
    sync = await visitor.read(lambda session: find_latest_sync(session, AccountId(account_id)))
    stored = {"rate": write_rate(standing.account.rate), "name": standing.account.name}
    # The buttons of other forms on the page bring neither.
    typed = {
        name: form.text(name) if form is not None and name in form.values else value
        for name, value in stored.items()
    }
    # What is wrong with anything else, such as the state of the account, belongs to the whole page.
    found = {} if form is None else form.problems
    shown = Form.start(**typed).with_problems(
        **{name if name in stored else "": text for name, text in found.items()}
    )
    return visitor.render(
        "accounts/detail.html",
        standing=standing,
        health=health,
        sync=sync,
        login=await _find_open_login(visitor, account_id),
        form=shown,
        status=status,
        words=describe_account(standing.account),
        reason=explain_reason(visitor, standing.account.state_reason),
        lowest=MIN_RATE,
        highest=MAX_RATE,
        keeps_name=standing.account.name in SET_AT_START,
        rate_setting=RATE_SETTING if _is_set_at_start(visitor, standing) else None,
    )


async def _find_open_login(visitor: Visitor, account_id: UUID) -> LoginView | None:
    """A login, or log-out, that is under way: those who may go on with it are led there."""
    if not visitor.may(Role.ADMIN):
        return None
    login = await visitor.read(lambda session: get_login(session, str(account_id)))
    return None if login is None or login.is_over else login


def write_rate(rate: Decimal) -> str:
    """Without zeros that say nothing; as it may be typed."""
    return f"{rate.normalize():f}"


def _is_set_at_start(visitor: Visitor, standing: AccountStanding) -> bool:
    if standing.account.name not in SET_AT_START:
        return False
    settings = read_state(visitor.request.app).installation.settings
    return any(
        setting.name == RATE_SETTING and setting.source is not SettingSource.DEFAULT for setting in settings
    )
