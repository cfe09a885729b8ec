"""Telegram accounts: who posts, what holds them up, how fast they may."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.campaign_schemas import Rate
from vestnik.api.schemas import ApiModel, Name, Number, Page, Patch, Text
from vestnik.domain.states import AccountKind, AccountState, HoldScope
from vestnik.domain.users import Role
from vestnik.services import account_edits, account_sessions
from vestnik.services.account_edits import AccountChanges
from vestnik.services.account_health import AccountHealth, get_account_health
from vestnik.services.account_sessions import (
    LONGEST_HASH,
    LONGEST_SESSION,
    MAX_API_ID,
    NewAccount,
    NewSession,
)
from vestnik.services.queue import AccountStanding, get_account_standing, list_account_standings
from vestnik.web.etags import ExpectedRevision, list_etag, put_etag
from vestnik.web.idempotency import Acting, refuse_key
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/accounts", tags=["accounts"])


class HoldView(ApiModel):
    """Telegram makes the account wait: SEND holds all posts, RESOLVE only look-ups of names."""

    scope: HoldScope
    until: datetime
    reason: Annotated[str, Field(examples=["FLOOD_WAIT"])]


class LookupsView(ApiModel):
    """Usernames looked up today, as UTC has it; what comes beyond the limit waits for the next day."""

    used: Annotated[int, Field(examples=[12])]
    limit: Annotated[int, Field(examples=[200])]


class AccountView(ApiModel):
    """An account, without its secrets."""

    id: UUID
    name: Annotated[str, Field(examples=["default"])]
    kind: AccountKind
    state: AccountState
    state_reason: str | None
    rate: Annotated[Number, Field(description="Messages per second over all its campaigns.", examples=[20])]
    tg_name: str | None
    lookups: LookupsView
    holds: Sequence[HoldView]
    leased_by: Annotated[str | None, Field(description="The worker that speaks for it now.")]
    revision: int

    @classmethod
    def show_standing(cls, standing: AccountStanding) -> Self:
        """The account with its holds."""
        account = standing.account
        return cls(
            id=account.id,
            name=account.name,
            kind=account.kind,
            state=account.state,
            state_reason=account.state_reason,
            rate=account.rate,
            tg_name=account.telegram_name,
            lookups=LookupsView(used=account.lookups_used, limit=account.lookups_limit),
            holds=[HoldView.show(hold) for hold in standing.holds],
            leased_by=standing.leased_by,
            revision=account.revision,
        )


class WaitView(ApiModel):
    """A time for which Telegram made the account wait, over or not."""

    at: datetime
    until: datetime
    scope: HoldScope
    reason: Annotated[str, Field(examples=["FLOOD_WAIT"])]


class AccountHealthView(ApiModel):
    """How an account does."""

    account: AccountView
    tg_user_id: Annotated[int | None, Field(description="Who it is in Telegram.", examples=[7000000001])]
    connected_since: Annotated[datetime | None, Field(description="null while no worker is connected.")]
    posts_last_hour: int
    posts_last_day: int
    waits: Annotated[Sequence[WaitView], Field(description="The last 20, the newest first.")]

    @classmethod
    def show_health(cls, health: AccountHealth) -> Self:
        """The model of it."""
        return cls(
            account=AccountView.show_standing(health.standing),
            tg_user_id=health.standing.account.telegram_id,
            connected_since=health.connected_since,
            posts_last_hour=health.posts_last_hour,
            posts_last_day=health.posts_last_day,
            waits=[WaitView.show(wait) for wait in health.waits],
        )


class Application(ApiModel):
    """An application at Telegram, as my.telegram.org shows it; the installation's is used without one."""

    api_id: Annotated[int | None, Field(gt=0, le=MAX_API_ID, examples=[2040])] = None
    api_hash: Annotated[
        Annotated[Text, Field(max_length=LONGEST_HASH)] | None,
        Field(repr=False, examples=["0123456789abcdef0123456789abcdef"]),
    ] = None


SessionText = Annotated[
    Text,
    Field(
        max_length=LONGEST_SESSION,
        description="A session string of Telethon or GramJS; it is stored encrypted and never shown.",
        examples=["1BVtsOK4Bu…"],
    ),
]


class AccountCreation(Application):
    """An account to add."""

    name: Annotated[Name, Field(examples=["newsroom"])]
    session: Annotated[
        SessionText | None, Field(repr=False, description="Without one the account has to log in.")
    ] = None
    rate: Rate | None = None


class SessionReplacement(Application):
    """Another session of the same Telegram user."""

    session: Annotated[SessionText, Field(repr=False)]


class AccountPatch(Patch):
    """What to change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rate": 20}, {"name": "newsroom"}]})

    name: Name | None = None
    rate: Rate | None = None


@router.get("", **allow(Role.VIEWER))
async def list_accounts(request: Request) -> Page[AccountView]:
    """All accounts by name, on one page."""
    found = await read_state(request.app).database.run(list_account_standings)
    return Page[AccountView](items=[AccountView.show_standing(standing) for standing in found])


@router.get("/{account_id}", **allow(Role.VIEWER))
async def show_account(request: Request, response: Response, account_id: UUID) -> AccountView:
    """One account."""
    found = await read_state(request.app).database.run(
        lambda session: get_account_standing(session, account_id)
    )
    put_etag(response, found.account.revision)
    return AccountView.show_standing(found)


@router.get("/{account_id}/health", **allow(Role.VIEWER))
async def show_health(request: Request, account_id: UUID) -> AccountHealthView:
    """Since when it is connected, how much it posts, how often Telegram made it wait."""
    found = await read_state(request.app).database.run(
        lambda session: get_account_health(session, account_id)
    )
    return AccountHealthView.show_health(found)


@router.post("", status_code=HTTPStatus.CREATED, **allow(Role.ADMIN))
async def add_account(
    request: Request,
    response: Response,
    identity: Identified,
    body: AccountCreation,
    _: Annotated[None, Depends(refuse_key)],
) -> AccountView:
    """Add an account by a session string, or one that is to log in; takes no Idempotency-Key, its name is one."""
    state = read_state(request.app)
    new = NewAccount(
        name=body.name,
        session=body.session,
        api_id=body.api_id,
        api_hash=body.api_hash,
        rate=None if body.rate is None else str(body.rate),
    )

    async def add(session: AsyncSession) -> AccountView:
        added = await account_sessions.add_account(session, identity.actor, new, setup=state.account_setup)
        return AccountView.show_standing(await get_account_standing(session, added.id))

    added = await state.database.run(add)
    response.headers["Location"] = f"{request.url.path}/{added.id}"
    put_etag(response, added.revision)
    return added


@router.patch("/{account_id}", **allow(Role.ADMIN))
async def change_account(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    expected: ExpectedRevision,
    account_id: UUID,
    body: AccountPatch,
) -> AccountView:
    """Rename it, or set how many messages a second it sends over all its campaigns."""
    changes = AccountChanges(name=body.name, rate=None if body.rate is None else str(body.rate))

    async def change(session: AsyncSession) -> AccountView:
        await account_edits.change_account(
            session, identity.actor, str(account_id), changes, expected_revision=expected
        )
        return AccountView.show_standing(await get_account_standing(session, account_id))

    changed = await read_state(request.app).database.run(change)
    put_etag(response, changed.revision)
    return changed


@router.put("/{account_id}/session", **allow(Role.ADMIN))
async def replace_session(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    expected: ExpectedRevision,
    account_id: UUID,
    body: SessionReplacement,
) -> AccountView:
    """Give it another session of the same Telegram user; its campaigns go on with it."""
    state = read_state(request.app)
    new = NewSession(session=body.session, api_id=body.api_id, api_hash=body.api_hash)

    async def replace(session: AsyncSession) -> AccountView:
        await account_sessions.replace_session(
            session,
            identity.actor,
            str(account_id),
            new,
            setup=state.account_setup,
            expected_revision=expected,
        )
        return AccountView.show_standing(await get_account_standing(session, account_id))

    changed = await state.database.run(replace)
    put_etag(response, changed.revision)
    return changed


@router.post("/{account_id}/disable", **allow(Role.ADMIN))
async def disable_account(act: Acting, account_id: UUID) -> AccountView:
    """Switch it off: nothing of it is sent from now on, and its campaigns wait."""

    async def disable(session: AsyncSession) -> AccountView:
        await account_edits.disable_account(session, act.actor, str(account_id))
        return AccountView.show_standing(await get_account_standing(session, account_id))

    return await act(disable, headers=list_etag)


@router.post("/{account_id}/enable", **allow(Role.ADMIN))
async def enable_account(act: Acting, account_id: UUID) -> AccountView:
    """Switch it on again."""

    async def enable(session: AsyncSession) -> AccountView:
        await account_edits.enable_account(session, act.actor, str(account_id))
        return AccountView.show_standing(await get_account_standing(session, account_id))

    return await act(enable, headers=list_etag)


@router.post("/{account_id}/release", **allow(Role.ADMIN))
async def release_account(act: Acting, account_id: UUID) -> AccountView:
    """Let a LIMITED account send again: only a person can know that Telegram lifted the restriction."""

    async def release(session: AsyncSession) -> AccountView:
        await account_edits.release_account(session, act.actor, str(account_id))
        return AccountView.show_standing(await get_account_standing(session, account_id))

    return await act(release, headers=list_etag)
