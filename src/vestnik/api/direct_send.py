"""Direct send: post in a few channels now and learn what Telegram answered."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.schemas import ApiModel, Text
from vestnik.api.templates import (
    Address,
    Kind,
    Mode,
    Position,
    Protected,
    Silent,
    Size,
    Source,
    StoredFile,
    StoredFiles,
)
from vestnik.delivery.fetched_files import receive_address
from vestnik.domain.albums import choose_media_ids
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError
from vestnik.domain.ids import CommandId
from vestnik.domain.media import MediaReference, check_media
from vestnik.domain.posting import OPTION_NAMES, PreviewPosition
from vestnik.domain.users import Role
from vestnik.services import direct_send
from vestnik.services.direct_send import MOST_CHANNELS, NewSend, SendResult
from vestnik.services.media import ReceivedMedia, store_media
from vestnik.web.idempotency import Act, Acting, ReplayedAnswer
from vestnik.web.identity import allow
from vestnik.web.state import WebState, read_state

router = APIRouter(prefix="/test", tags=["direct send"])

FETCH_SECONDS: Final = 20.0
"""For a file at an address: somebody waits for the answer."""
_FIELDS: Final = {
    "channel": "channels",
    "template": "template_id",
    "account": "account_id",
    "id": "send_id",
    "idempotency_key": "Idempotency-Key",
}
"""What the fields of the service are called here."""


class NewDirectSend(ApiModel):
    """What to post, and where: either a text or a template."""

    channels: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=200)]],
        Field(
            min_length=1,
            max_length=MOST_CHANNELS,
            description="Usernames, t.me links, Telegram ids or ids of ours.",
            examples=[["@daily_news"]],
        ),
    ]
    text: Annotated[Source | None, Field(examples=["Good morning, {channel_title}!"])] = None
    template_id: UUID | None = None
    parse_mode: Mode = None
    link_preview: bool = True
    link_preview_position: Position = PreviewPosition.BELOW
    link_preview_size: Size = None
    silent: Silent = False
    protect_content: Protected = False
    media_id: StoredFile = None
    media_ids: StoredFiles = Field(default_factory=list)
    media_type: Kind = None
    media_url: Annotated[
        Address,
        Field(
            description="A file to fetch now from a public address; with mediaType, instead of a stored one."
        ),
    ] = None
    mode: Annotated[
        Text,
        Field(max_length=20, description="TEST rehearses: nothing leaves for Telegram. LIVE posts."),
    ] = "TEST"
    account_id: Annotated[
        UUID | None, Field(description="Needed where more than one account could post.")
    ] = None


class DirectSendResult(ApiModel):
    """What became of one post so far. With `maybeSent` it may be in the channel although it is not DONE."""

    id: UUID
    channel: Annotated[str, Field(examples=["@daily_news"])]
    channel_id: UUID
    status: CommandStatus
    message_ids: list[int]
    link: Annotated[str | None, Field(examples=["https://t.me/daily_news/17"])]
    error_code: str | None
    error_message: str | None
    maybe_sent: bool
    requested_at: datetime
    expires_at: datetime
    finished_at: datetime | None


class RequestedIds(ApiModel):
    """What is kept under an Idempotency-Key: not the results, which are still to come."""

    ids: list[UUID]
    is_repeat: bool


class DirectSendAnswer(ApiModel):
    """The posts by the ids with which they can be asked for, and what became of each so far."""

    ids: list[UUID]
    results: list[DirectSendResult]


@router.post(
    "/send",
    responses={
        202: {
            "model": DirectSendAnswer,
            "description": "Not all posts have ended within 30 s; ask for each by its id.",
            "headers": {"Location": {"description": "The first one.", "schema": {"type": "string"}}},
        }
    },
    **allow(Role.OPERATOR),
)
async def send_now(
    request: Request, response: Response, body: NewDirectSend, act: Acting
) -> DirectSendAnswer:
    """Post past the campaign queue and wait for Telegram's answers, at most 30 seconds.

    A repeated Idempotency-Key gives the results of the first request and posts nothing.
    """
    state = read_state(request.app)
    new = NewSend(
        channels=body.channels,
        text=body.text,
        template_id=body.template_id,
        parse_mode=body.parse_mode,
        **{name: getattr(body, name) for name in OPTION_NAMES},
        mode=body.mode,
        account=None if body.account_id is None else str(body.account_id),
        idempotency_key=act.key,
        key_owner=str(act.identity.user_id),
        zone=state.zone,
    )
    named = choose_media_ids(body.media_id, body.media_ids)
    address = check_media(body.media_type, body.media_url, named[0] if named else None)
    if new.text is None and (named or address):
        new = replace(new, text="" if new.template_id is None else None)
    requested = await _request(act, replace(new, media_ids=named), state, address)
    if requested.is_repeat:
        response.headers["Idempotency-Replayed"] = "true"
    results = await _wait(state, requested.ids)
    if not results or not all(result.status.is_final for result in results):
        response.status_code = HTTPStatus.ACCEPTED
        response.headers["Location"] = f"/api/test/send/{requested.ids[0]}"
    return DirectSendAnswer(ids=requested.ids, results=[DirectSendResult.show(result) for result in results])


async def _request(act: Act, new: NewSend, state: WebState, address: MediaReference | None) -> RequestedIds:
    """Ask for the posts, or find those that were asked for under the same Idempotency-Key."""
    fetched: ReceivedMedia | None = None

    async def work(session: AsyncSession) -> RequestedIds:
        wanted = new
        if fetched is not None:
            wanted = replace(new, media_ids=[(await store_media(session, act.actor, fetched)).id])
        made = await direct_send.request_send(session, act.actor, wanted, open_keys=state.open_keys)
        return RequestedIds(ids=list(made.ids), is_repeat=made.is_repeat)

    try:
        with _name_fields():
            if address is not None and address.url is not None:
                await act.require_new()
                kind = str(address.kind)
                fetched = await receive_address(state.media, address.url, kind, within=FETCH_SECONDS)
            return await act(work)
    except ReplayedAnswer as earlier:
        ids = RequestedIds.model_validate_json(earlier.body).ids
        return RequestedIds(ids=ids, is_repeat=True)


async def _wait(state: WebState, ids: Sequence[UUID]) -> list[SendResult]:
    """The posts are asked for, so a database that goes away now makes the results unknown and nothing else."""
    try:
        return await direct_send.poll_results(
            lambda: state.database.run(
                lambda session: direct_send.get_results(session, [CommandId(send_id) for send_id in ids])
            )
        )
    except DatabaseUnavailableError:
        return []


@router.get("/send/{send_id}", **allow(Role.VIEWER))
async def show_send(request: Request, send_id: UUID) -> DirectSendResult:
    """What became of one post so far."""
    with _name_fields():
        (result,) = await read_state(request.app).database.run(
            lambda session: direct_send.get_results(session, [CommandId(send_id)])
        )
    return DirectSendResult.show(result)


@contextmanager
def _name_fields() -> Iterator[None]:
    try:
        yield
    except VestnikError as error:
        error.field = _FIELDS.get(error.field or "", error.field)
        raise
