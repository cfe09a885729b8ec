"""Batches of channels: what campaigns are sent to."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.channels import ChannelIds, ChannelSelection, ChannelView
from vestnik.api.schemas import ApiModel, Limit, Name, Page, Text, make_page
from vestnik.domain.batches import Combination
from vestnik.domain.ids import AccountId, BatchId, ChannelId
from vestnik.domain.users import Role
from vestnik.services import batches
from vestnik.web.cursors import decode_cursor
from vestnik.web.database import LONG_LIMIT_SECONDS
from vestnik.web.etags import ExpectedRevision, list_created, list_etag, put_etag
from vestnik.web.idempotency import Acting
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/batches", tags=["batches"])

MOST_COMBINED = 20
_list_created = list_created("/api/batches")


class BatchPageQuery(ApiModel):
    """Which batches are wanted, and which page of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    search: Annotated[Text | None, Field(max_length=200, description="A part of the name.")] = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class BatchQuery(ApiModel):
    """For whom channels are counted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    account_id: Annotated[UUID | None, Field(description="The account that would post.")] = None


class MemberPageQuery(ApiModel):
    """Which page of a batch is wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class BatchView(ApiModel):
    """A batch. `channels` counts inactive ones too."""

    id: UUID
    name: Annotated[str, Field(examples=["Morning"])]
    channels: Annotated[int, Field(examples=[3])]
    revision: int
    created_at: datetime
    updated_at: datetime


class BatchDetailView(BatchView):
    """A batch and to how many of its channels can be posted."""

    sendable: int


class CreatedBatchView(BatchView):
    """A new batch."""

    duplicates: Annotated[int, Field(description="Ids that were given more than once.")]


class MembershipView(ApiModel):
    """A batch after ids came into it or out of it."""

    id: UUID
    channels: Annotated[int, Field(description="How many it has now.")]
    changed: Annotated[int, Field(description="How many came in, or went.")]
    unchanged: Annotated[int, Field(description="How many were in it before, or were not in it.")]
    duplicates: Annotated[int, Field(description="Ids that were given more than once.")]
    revision: int


class MemberView(ChannelView):
    """A channel at its place in a batch."""

    position: Annotated[int, Field(description="Rises along the batch; not without gaps.")]


class BatchCreation(ApiModel):
    """A batch to make, of channels in this order; without any it can be filled later."""

    name: Annotated[Name, Field(examples=["Morning"])]
    channel_ids: ChannelIds = Field(default_factory=list)


class BatchEdit(ApiModel):
    """What is to be different."""

    name: Annotated[Name, Field(examples=["Evening"])]


class BatchCombination(ApiModel):
    """A batch to make of others: all their channels, those of the first alone, or those that all share."""

    name: Annotated[Name, Field(examples=["All but Moscow"])]
    operation: Combination
    batch_ids: Annotated[
        list[UUID],
        Field(
            min_length=2,
            max_length=MOST_COMBINED,
            examples=[["0b6c1f0e-6a0f-4b5e-9d5a-6f1f5f1c9a01", "0b6c1f0e-6a0f-4b5e-9d5a-6f1f5f1c9a02"]],
        ),
    ]


@router.post("", status_code=201, **allow(Role.OPERATOR))
async def create_batch(act: Acting, body: BatchCreation) -> CreatedBatchView:
    """Make a batch; ids that are no channel's are refused by name and nothing is stored."""

    async def work(session: AsyncSession) -> CreatedBatchView:
        made = await batches.create_batch_of(session, act.actor, body.name, _read_ids(body.channel_ids))
        return CreatedBatchView(**_dump(made.batch), duplicates=made.duplicates)

    return await act(work, headers=_list_created, limit=LONG_LIMIT_SECONDS)


@router.post("/combine", status_code=201, **allow(Role.OPERATOR))
async def combine_batches(act: Acting, body: BatchCombination) -> BatchView:
    """Make a batch of others; it keeps their order, and may come out empty."""
    batch_ids = [BatchId(batch_id) for batch_id in body.batch_ids]

    async def work(session: AsyncSession) -> BatchView:
        return BatchView.show(
            await batches.combine_batches(session, act.actor, body.name, body.operation, batch_ids)
        )

    return await act(work, headers=_list_created, limit=LONG_LIMIT_SECONDS)


def _dump(view: batches.BatchView) -> dict[str, Any]:
    return BatchView.show(view).model_dump(by_alias=False)


def _read_ids(ids: list[UUID]) -> list[ChannelId]:
    return [ChannelId(channel_id) for channel_id in ids]


@router.get("", **allow(Role.VIEWER))
async def list_batches(request: Request, query: Annotated[BatchPageQuery, Query()]) -> Page[BatchView]:
    """The newest first."""
    before = None if query.cursor is None else decode_cursor(query.cursor, [datetime, UUID])
    found = await read_state(request.app).database.run(
        lambda session: batches.list_batches(
            session,
            limit=query.limit + 1,
            before=cast("tuple[datetime, UUID] | None", before),
            search=query.search,
        )
    )
    return Page[BatchView](
        **make_page(found, query.limit, BatchView.show, lambda row: [row.created_at, row.id])
    )


@router.get("/{batch_id}", **allow(Role.VIEWER))
async def get_batch(
    request: Request, response: Response, batch_id: UUID, query: Annotated[BatchQuery, Query()]
) -> BatchDetailView:
    """One batch, with its size and to how many of its channels can be posted."""
    account_id = None if query.account_id is None else AccountId(query.account_id)
    found = await read_state(request.app).database.run(
        lambda session: batches.get_batch(session, BatchId(batch_id), account_id=account_id)
    )
    put_etag(response, found.batch.revision)
    return BatchDetailView(**_dump(found.batch), sendable=found.sendable)


@router.patch("/{batch_id}", **allow(Role.OPERATOR))
async def change_batch(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    expected_revision: ExpectedRevision,
    batch_id: UUID,
    body: BatchEdit,
) -> BatchView:
    """Rename a batch."""
    changed = await read_state(request.app).database.run(
        lambda session: batches.rename_batch(
            session, identity.actor, BatchId(batch_id), body.name, expected_revision=expected_revision
        )
    )
    put_etag(response, changed.revision)
    return BatchView.show(changed)


@router.delete("/{batch_id}", status_code=204, **allow(Role.OPERATOR))
async def delete_batch(
    request: Request, identity: Identified, expected_revision: ExpectedRevision, batch_id: UUID
) -> None:
    """Delete a batch that no campaign was made with; its channels stay."""
    await read_state(request.app).database.run(
        lambda session: batches.delete_batch(
            session, identity.actor, BatchId(batch_id), expected_revision=expected_revision
        )
    )


@router.get("/{batch_id}/channels", **allow(Role.VIEWER))
async def list_batch_channels(
    request: Request, batch_id: UUID, query: Annotated[MemberPageQuery, Query()]
) -> Page[MemberView]:
    """Its channels, in its order."""
    after = 0 if query.cursor is None else decode_cursor(query.cursor, [int])[0]
    found = await read_state(request.app).database.run(
        lambda session: batches.list_batch_channels(
            session, BatchId(batch_id), limit=query.limit + 1, after=cast("int", after)
        )
    )
    return Page[MemberView](**make_page(found, query.limit, _show_member, lambda row: [row.position]))


def _show_member(member: batches.MemberView) -> MemberView:
    return MemberView(**ChannelView.show(member.channel).model_dump(by_alias=False), position=member.position)


@router.post("/{batch_id}/channels", **allow(Role.OPERATOR))
async def add_channels(act: Acting, batch_id: UUID, body: ChannelSelection) -> MembershipView:
    """Put channels at the end of a batch, in this order. A campaign that has been started does not get them."""
    ids = _read_ids(body.channel_ids)

    async def work(session: AsyncSession) -> MembershipView:
        return _show_change(await batches.add_channels(session, act.actor, BatchId(batch_id), ids))

    return await act(work, headers=list_etag, limit=LONG_LIMIT_SECONDS)


@router.post("/{batch_id}/channels/remove", **allow(Role.OPERATOR))
async def remove_channels(act: Acting, batch_id: UUID, body: ChannelSelection) -> MembershipView:
    """Take channels out of a batch. A campaign that has been started still posts to them."""
    ids = _read_ids(body.channel_ids)

    async def work(session: AsyncSession) -> MembershipView:
        return _show_change(await batches.remove_channels(session, act.actor, BatchId(batch_id), ids))

    return await act(work, headers=list_etag, limit=LONG_LIMIT_SECONDS)


def _show_change(change: batches.MembershipChange) -> MembershipView:
    return MembershipView(
        id=change.batch.id,
        channels=change.batch.channels,
        changed=change.changed,
        unchanged=change.unchanged,
        duplicates=change.duplicates,
        revision=change.batch.revision,
    )
