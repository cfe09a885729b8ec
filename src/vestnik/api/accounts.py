"""Telegram accounts: who posts, what holds them up, how fast they may."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.campaign_schemas import Rate
from vestnik.api.schemas import ApiModel, Number, Page
from vestnik.domain.states import AccountKind, AccountState, HoldScope
from vestnik.domain.users import Role
from vestnik.services import accounts
from vestnik.services.queue import AccountStanding, get_account_standing, list_account_standings
from vestnik.web.etags import ExpectedRevision, list_etag, put_etag
from vestnik.web.idempotency import Acting
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


class AccountPatch(ApiModel):
    """What to change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rate": 20}]})

    rate: Rate


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
    """Set how many messages a second it sends over all its campaigns."""

    async def change(session: AsyncSession) -> AccountView:
        await accounts.change_rate(
            session, identity.actor, str(account_id), str(body.rate), expected_revision=expected
        )
        return AccountView.show_standing(await get_account_standing(session, account_id))

    changed = await read_state(request.app).database.run(change)
    put_etag(response, changed.revision)
    return changed


@router.post("/{account_id}/release", **allow(Role.ADMIN))
async def release_account(act: Acting, account_id: UUID) -> AccountView:
    """Let a LIMITED account send again: only a person can know that Telegram lifted the restriction."""

    async def release(session: AsyncSession) -> AccountView:
        await accounts.release_account(session, act.actor, str(account_id))
        return AccountView.show_standing(await get_account_standing(session, account_id))

    return await act(release, headers=list_etag)
