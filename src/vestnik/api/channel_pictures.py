"""The small pictures of channels."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from vestnik.domain.ids import ChannelId
from vestnik.domain.users import Role
from vestnik.services.syncs import get_picture
from vestnik.web.identity import allow
from vestnik.web.pictures import send_jpeg
from vestnik.web.state import read_state

router = APIRouter(prefix="/channels/{channel_id}/picture", tags=["channels"])


@router.get(
    "",
    response_class=Response,
    responses={200: {"description": "A JPEG of some 40 pixels", "content": {"image/jpeg": {}}}},
    **allow(Role.VIEWER),
)
async def show_picture(request: Request, channel_id: UUID) -> Response:
    """The channel's picture as Telegram shows it in lists; 404 where it has none or no sync has brought it."""
    picture = await read_state(request.app).database.run(
        lambda session: get_picture(session, ChannelId(channel_id))
    )
    return send_jpeg(picture)
