"""Channels: where to post."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.schemas import ApiModel, Limit, Page, Text
from vestnik.domain.channels import MAX_TITLE_LENGTH
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.users import Role
from vestnik.services import channel_views, channels
from vestnik.services.channel_views import ChannelDetail, ChannelQuery
from vestnik.services.channels import ChannelChanges, NewChannel
from vestnik.web.cursors import decode_cursor, encode_cursor
from vestnik.web.database import LONG_LIMIT_SECONDS
from vestnik.web.etags import ExpectedRevision, list_created, list_etag, put_etag
from vestnik.web.idempotency import Acting
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/channels", tags=["channels"])

MOST_IDS = 100_000
_EXAMPLE_ID = "0b6c1f0e-6a0f-4b5e-9d5a-6f1f5f1c9a01"

ChannelText = Annotated[Text, Field(min_length=1, max_length=300)]
TelegramId = (
    Annotated[int, Field(ge=-(2**53), le=2**53)] | Annotated[Text, Field(min_length=1, max_length=20)]
)
ChannelIds = Annotated[
    list[UUID],
    Field(max_length=MOST_IDS, description="Repeated ones are counted once.", examples=[[_EXAMPLE_ID]]),
]


class ChannelFilterQuery(ApiModel):
    """Which channels are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    search: Annotated[
        Text | None,
        Field(max_length=300, description="A part of the username or the title, a link, or an id."),
    ] = None
    active: Annotated[
        bool | None,
        Field(description="Whether at least one account may post to it, or none has tried."),
    ] = None
    error: Annotated[
        Text | None,
        Field(max_length=100, description="Why posting was stopped.", examples=["CHAT_WRITE_FORBIDDEN"]),
    ] = None
    batch_id: UUID | None = None

    def make_query(self) -> ChannelQuery:
        """As the service takes it."""
        return ChannelQuery(search=self.search, active=self.active, error=self.error, batch_id=self.batch_id)


class ChannelPageQuery(ChannelFilterQuery):
    """Which channels are wanted, and which page of them."""

    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class ChannelView(ApiModel):
    """A channel. Unless it is active, reason, since and campaignId say why nothing is posted."""

    id: UUID
    username: Annotated[str | None, Field(description="Without the @.", examples=["example_news"])]
    tg_id: Annotated[int | None, Field(description="Telegram's id.", examples=[-1001234567890])]
    title: str | None
    active: Annotated[
        bool,
        Field(description="At least one account may post to it, or none has tried; rehearsals do not count."),
    ]
    reason: Annotated[
        str | None, Field(description="OPERATOR, or Telegram's error.", examples=["CHAT_WRITE_FORBIDDEN"])
    ]
    since: datetime | None
    campaign_id: Annotated[UUID | None, Field(description="The campaign that found out.")]
    created_at: datetime
    revision: int


class ChannelPeerView(ApiModel):
    """What one account knows of a channel."""

    account_id: UUID
    account_name: Annotated[str, Field(examples=["default"])]
    can_post: Annotated[bool | None, Field(description="Null until the account has looked.")]
    forbidden: Annotated[
        list[str],
        Field(
            description="Kinds of posts that it may not make: PLAIN (texts), MEDIA (all files), PHOTOS …",
            examples=[["PHOTOS"]],
        ),
    ]
    slow_mode_seconds: int | None
    member_count: Annotated[int | None, Field(description="Null until a sync has asked.", examples=[1234])]
    gone_since: Annotated[
        datetime | None, Field(description="The account saw it before and did not at its last sync.")
    ]
    hold_until: Annotated[datetime | None, Field(description="Telegram lets it post again from then on.")]
    active: bool
    reason: str | None
    since: datetime | None
    campaign_id: UUID | None
    consecutive_failures: int


class ChannelDetailView(ChannelView):
    """A channel with what each account knows of it."""

    peers: list[ChannelPeerView]


class ChannelCreation(ApiModel):
    """A channel to add, by its name in any spelling, its id, or both."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "@example_news", "title": "Example news"}]}
    )

    username: Annotated[
        ChannelText | None,
        Field(description="@name, name, https://t.me/name, t.me/c/id or -100id.", examples=["@example_news"]),
    ] = None
    tg_id: Annotated[
        TelegramId | None, Field(description="With or without -100.", examples=[-1001234567890])
    ] = None
    title: Annotated[Text | None, Field(max_length=MAX_TITLE_LENGTH)] = None


class ChannelEdit(ApiModel):
    """What is to be different; what is left out stays, null empties a field."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Example news", "active": False}]})

    username: ChannelText | None = None
    tg_id: TelegramId | None = None
    title: Annotated[Text | None, Field(max_length=MAX_TITLE_LENGTH)] = None
    active: Annotated[
        bool,
        Field(description="false: nobody posts to it, for the reason OPERATOR; true: everybody may again."),
    ] = True


class Reactivation(ApiModel):
    """For whom a channel is to be active again."""

    account_id: Annotated[
        UUID | None,
        Field(
            description="This account alone; without it the channel and all accounts.",
            examples=[_EXAMPLE_ID],
        ),
    ] = None


class ChannelSelection(ApiModel):
    """Some channels."""

    channel_ids: Annotated[ChannelIds, Field(min_length=1)]


class ReactivationResult(ApiModel):
    """How many channels post again, and how many did all along."""

    reactivated: int
    unchanged: int


async def _show(detail: Awaitable[ChannelDetail]) -> ChannelDetailView:
    found = await detail
    return ChannelDetailView(
        **ChannelView.show(found.channel).model_dump(by_alias=False),
        peers=[ChannelPeerView.show(peer) for peer in found.peers],
    )


@router.post("", status_code=201, **allow(Role.OPERATOR))
async def create_channel(act: Acting, body: ChannelCreation) -> ChannelDetailView:
    """Add a channel. One that is there is a 409 that names its id; a deleted one comes back."""
    new = NewChannel(username=body.username, tg_id=body.tg_id, title=body.title)
    return await act(
        lambda session: _show(channels.create_channel(session, act.actor, new)),
        headers=list_created("/api/channels"),
    )


@router.get("", **allow(Role.VIEWER))
async def list_channels(request: Request, query: Annotated[ChannelPageQuery, Query()]) -> Page[ChannelView]:
    """The newest first.

    Where few of very many channels are active, a page of these may be short or empty; `nextCursor` goes on.
    """
    before = None if query.cursor is None else decode_cursor(query.cursor, [datetime, UUID])
    page = await read_state(request.app).database.run(
        lambda session: channel_views.list_channels(
            session,
            query.make_query(),
            limit=query.limit,
            before=cast("tuple[datetime, UUID] | None", before),
        )
    )
    return Page[ChannelView](
        items=[ChannelView.show(item) for item in page.items],
        next_cursor=None if page.next_before is None else encode_cursor(page.next_before),
    )


@router.post("/reactivate", **allow(Role.OPERATOR))
async def reactivate_channels(act: Acting, body: ChannelSelection) -> ReactivationResult:
    """Post to many channels again, with all accounts."""
    ids = [ChannelId(channel_id) for channel_id in body.channel_ids]

    async def work(session: AsyncSession) -> ReactivationResult:
        return ReactivationResult.show(await channels.reactivate_channels(session, act.actor, ids))

    return await act(work, limit=LONG_LIMIT_SECONDS)


@router.get("/{channel_id}", **allow(Role.VIEWER))
async def get_channel(request: Request, response: Response, channel_id: UUID) -> ChannelDetailView:
    """One channel, with what each account knows of it."""
    found = await read_state(request.app).database.run(
        lambda session: _show(channel_views.get_channel(session, ChannelId(channel_id)))
    )
    put_etag(response, found.revision)
    return found


@router.patch("/{channel_id}", **allow(Role.OPERATOR))
async def change_channel(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    expected_revision: ExpectedRevision,
    channel_id: UUID,
    body: ChannelEdit,
) -> ChannelDetailView:
    """Correct or deactivate a channel.

    With another username or id, what accounts knew of the old one is forgotten.
    """
    changes = ChannelChanges(**body.model_dump(by_alias=False), given=frozenset(body.model_fields_set))
    changed = await read_state(request.app).database.run(
        lambda session: _show(
            channels.change_channel(
                session,
                identity.actor,
                ChannelId(channel_id),
                changes,
                expected_revision=expected_revision,
            )
        )
    )
    put_etag(response, changed.revision)
    return changed


@router.delete("/{channel_id}", status_code=204, **allow(Role.OPERATOR))
async def delete_channel(
    request: Request, identity: Identified, expected_revision: ExpectedRevision, channel_id: UUID
) -> None:
    """Delete a channel that is in no batch and that no unfinished campaign has still to post to."""
    await read_state(request.app).database.run(
        lambda session: channels.delete_channel(
            session, identity.actor, ChannelId(channel_id), expected_revision=expected_revision
        )
    )


@router.post("/{channel_id}/reactivate", **allow(Role.OPERATOR))
async def reactivate_channel(
    act: Acting, channel_id: UUID, body: Reactivation | None = None
) -> ChannelDetailView:
    """Post to a channel again, with all accounts or with one; its failures are counted from 0."""
    account_id = None if body is None or body.account_id is None else AccountId(body.account_id)
    return await act(
        lambda session: _show(
            channels.reactivate_channel(session, act.actor, ChannelId(channel_id), account_id)
        ),
        headers=list_etag,
    )
