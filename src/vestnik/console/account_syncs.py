"""Syncs: the button that brings our channels up to what an account sees in Telegram, and what came of it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.states import AccountKind
from vestnik.domain.users import Role
from vestnik.services.accounts import AccountView, list_accounts
from vestnik.services.queue import get_account_standing
from vestnik.services.syncs import SyncView, find_latest_sync, get_picture, request_sync
from vestnik.web.pictures import send_jpeg

router = APIRouter()

Synced = list[tuple[AccountView, SyncView | None]]


@router.get("/channels/sync", **open_to(Role.VIEWER))
async def show_syncs(visitor: Visiting) -> Response:
    """All accounts that have channels of their own, each with its last sync."""
    return await _show_all(visitor, Form())


@router.post("/channels/sync", **open_to(Role.OPERATOR))
async def request_from_channels(visitor: Visiting, form: Submitted) -> Response:
    """Ask for one, from the page of all."""

    async def ask(session: AsyncSession) -> str:
        await request_sync(session, visitor.actor, form.text("account_id"))
        return "/channels/sync"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_all(visitor, corrected, status)

    return await submit(visitor, form, ask, again=again, notice="sync-requested")


async def _show_all(visitor: Visitor, form: Form, status: int = 200) -> Response:
    synced = await visitor.read(_list_synced)
    problem = next(iter(form.problems.values()), "")
    return visitor.render("channels/sync.html", synced=synced, problem=problem, status=status)


async def _list_synced(session: AsyncSession) -> Synced:
    return [
        (account, await find_latest_sync(session, AccountId(account.id)))
        for account in await list_accounts(session)
        if account.kind is AccountKind.USER
    ]


@router.get("/accounts/{account_id}/sync", **open_to(Role.VIEWER))
async def show_sync(visitor: Visiting, account_id: UUID) -> Response:
    """The part with one account's last sync."""

    async def read(session: AsyncSession) -> dict[str, Any]:
        standing = await get_account_standing(session, account_id)
        return {
            "account": standing.account,
            "sync": await find_latest_sync(session, AccountId(account_id)),
        }

    return visitor.render("accounts/sync.html", **await visitor.read(read))


@router.get("/channels/{channel_id}/picture", **open_to(Role.VIEWER))
async def show_picture(visitor: Visiting, channel_id: UUID) -> Response:
    """A channel's small picture."""
    return send_jpeg(await visitor.read(lambda session: get_picture(session, ChannelId(channel_id))))
