"""Syncs: our channels brought up to what an account sees in Telegram."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.schemas import ApiModel
from vestnik.domain.commands import CommandStatus
from vestnik.domain.ids import AccountId, CommandId
from vestnik.domain.surveys import SyncPhase
from vestnik.domain.users import Role
from vestnik.services import syncs
from vestnik.services.syncs import SyncView
from vestnik.web.idempotency import Acting
from vestnik.web.identity import allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/accounts/{account_id}/sync", tags=["accounts"])


class SyncModel(ApiModel):
    """A sync and what it has found so far; each channel is counted once."""

    id: UUID
    account_id: UUID
    account_name: Annotated[str, Field(examples=["default"])]
    status: Annotated[CommandStatus, Field(examples=["DONE"])]
    phase: Annotated[
        SyncPhase, Field(description="In DETAILS all channels are there already.", examples=["DONE"])
    ]
    seen: Annotated[
        int, Field(description="Channels and groups among the account's dialogs.", examples=[120])
    ]
    added: Annotated[int, Field(examples=[12])]
    updated: Annotated[int, Field(examples=[3])]
    unchanged: Annotated[int, Field(examples=[100])]
    without_right: Annotated[
        int, Field(description="The account may not post there; they are not added.", examples=[5])
    ]
    left_out: Annotated[int, Field(description="Deleted here by somebody; they stay so.", examples=[0])]
    gone: Annotated[
        int, Field(description="Ours that the account saw before and does not any more.", examples=[1])
    ]
    details: Annotated[int, Field(description="Asked for members and slow mode, one by one.", examples=[12])]
    details_wanted: Annotated[int, Field(examples=[12])]
    error_code: Annotated[str | None, Field(examples=[None])]
    error_message: str | None
    requested_at: datetime
    finished_at: datetime | None

    @classmethod
    def show_sync(cls, view: SyncView) -> Self:
        """The report beside the rest."""
        report = view.report
        return cls(
            id=view.id,
            account_id=view.account_id,
            account_name=view.account_name,
            status=view.status,
            error_code=view.error_code,
            error_message=view.error_message,
            requested_at=view.requested_at,
            finished_at=view.finished_at,
            **{name: getattr(report, name) for name in report.__dataclass_fields__},
        )


def _locate(sync: SyncModel) -> dict[str, str]:
    return {"Location": f"/api/accounts/{sync.account_id}/sync/{sync.id}"}


@router.post("", status_code=HTTPStatus.ACCEPTED, **allow(Role.OPERATOR))
async def sync_account(act: Acting, account_id: UUID) -> SyncModel:
    """Have the account's dialogs read: channels that it may post in are added, known ones brought up to date.

    The worker that speaks for the account does it beside its posts; ask for the sync by its id. One that is on its
    way already is the answer.
    """

    async def request(session: AsyncSession) -> SyncModel:
        return SyncModel.show_sync(await syncs.request_sync(session, act.actor, str(account_id)))

    return await act(request, headers=_locate)


@router.get("", **allow(Role.VIEWER))
async def show_latest_sync(request: Request, account_id: UUID) -> SyncModel:
    """The one asked for last."""
    found = await read_state(request.app).database.run(
        lambda session: syncs.get_latest_sync(session, AccountId(account_id))
    )
    return SyncModel.show_sync(found)


@router.get("/{sync_id}", **allow(Role.VIEWER))
async def show_sync(request: Request, account_id: UUID, sync_id: UUID) -> SyncModel:
    """How far it has come, or what it found."""
    found = await read_state(request.app).database.run(
        lambda session: syncs.get_sync(session, AccountId(account_id), CommandId(sync_id))
    )
    return SyncModel.show_sync(found)
