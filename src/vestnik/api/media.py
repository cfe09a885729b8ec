"""Files that go with texts: stored once, named by templates."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from vestnik.api.schemas import ApiModel, Limit, Page, Text, make_page
from vestnik.domain.ids import MediaId
from vestnik.domain.media import LARGEST_PHOTO, LARGEST_UPLOAD, LONGEST_FILE_NAME, MediaType
from vestnik.domain.users import Role
from vestnik.services import media
from vestnik.web.cursors import decode_cursor
from vestnik.web.downloads import OTHER_TYPE, send_file
from vestnik.web.identity import Identified, allow
from vestnik.web.problems import MEDIA_TYPE
from vestnik.web.state import read_state
from vestnik.web.streams import ClosingStream
from vestnik.web.uploads import open_upload

router = APIRouter(prefix="/media", tags=["media"])


class MediaModel(ApiModel):
    """A stored file."""

    id: UUID
    kind: Annotated[MediaType, Field(examples=["photo"])]
    name: Annotated[str, Field(examples=["morning.jpg"])]
    size: Annotated[int, Field(description="Bytes.", examples=[184_320])]
    mime_type: Annotated[
        str, Field(description="By its bytes, whatever it was sent as.", examples=["image/jpeg"])
    ]
    sha256: Annotated[str, Field(description="In hexadecimal digits.", examples=["9f86d081" * 8])]
    width: Annotated[int | None, Field(description="Pixels.", examples=[1280])]
    height: Annotated[int | None, Field(examples=[720])]
    duration: Annotated[float | None, Field(description="Seconds.", examples=[None])]
    created_by: Annotated[str, Field(examples=["editor@news.example"])]
    created_at: datetime


class UploadQuery(ApiModel):
    """As what the file is stored. In a form the fields of the same names count."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    kind: Annotated[
        Text | None, Field(max_length=20, description=f"One of {', '.join(MediaType)}; photo if left out.")
    ] = None
    name: Annotated[
        Text | None,
        Field(max_length=LONGEST_FILE_NAME, description="The file's name.", examples=["morning.jpg"]),
    ] = None


class MediaQuery(ApiModel):
    """Which files are wanted, and which page of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    kind: MediaType | None = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


def _describe_body() -> dict[str, Any]:
    size = f"Up to {LARGEST_PHOTO // 2**20} MiB for a photo, {LARGEST_UPLOAD // 2**20} MiB for anything else."
    file = {"type": "string", "format": "binary", "description": size}
    fields = {"file": file, "kind": {"type": "string"}, "name": {"type": "string"}}
    shown = "(the bytes of the file)"
    return {
        "required": True,
        "content": {
            OTHER_TYPE: {"schema": file, "example": shown},
            "image/*": {"schema": file, "example": shown},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": fields, "required": ["file"]},
                "example": {"file": shown, "kind": "photo"},
            },
        },
    }


_UPLOAD = allow(Role.OPERATOR)
_UPLOAD["openapi_extra"] = {**_UPLOAD["openapi_extra"], "requestBody": _describe_body()}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The same file was stored before", "model": MediaModel},
    507: {"description": "There is no room for it", "content": _PROBLEM},
}


@router.post("", status_code=HTTPStatus.CREATED, responses=_ANSWERS, **_UPLOAD)
async def upload_media(
    request: Request, response: Response, identity: Identified, query: Annotated[UploadQuery, Query()]
) -> MediaModel:
    """Store a file, sent as the body or in a form. Its bytes decide whether it is what it is said to be.

    The same file again is answered with the one that is there (200), so this may be repeated without a key.
    """
    state = read_state(request.app)
    async with open_upload(request) as upload:
        kind = upload.fields.get("kind") or query.kind or MediaType.PHOTO
        name = upload.fields.get("name") or query.name or upload.name or kind
        received = await media.receive_media(state.media, upload.chunks, kind=kind, name=name)
    view = await state.database.run(lambda session: media.store_media(session, identity.actor, received))
    if not view.is_new:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = f"/api/media/{view.id}"
    return _show(view)


@router.get("", **allow(Role.VIEWER))
async def list_media(request: Request, query: Annotated[MediaQuery, Query()]) -> Page[MediaModel]:
    """The newest first."""
    after = None if query.cursor is None else decode_cursor(query.cursor, [datetime, UUID])
    found = await read_state(request.app).database.run(
        lambda session: media.list_media(
            session,
            limit=query.limit + 1,
            kind=query.kind,
            after=cast("tuple[datetime, MediaId] | None", after),
        )
    )
    return Page[MediaModel](**make_page(found, query.limit, _show, lambda item: [item.created_at, item.id]))


@router.get("/{media_id}", **allow(Role.VIEWER))
async def show_media(request: Request, media_id: UUID) -> MediaModel:
    """What is known of a file."""
    return _show(await _find(request, media_id))


@router.get(
    "/{media_id}/content",
    response_class=ClosingStream,
    responses={200: {"description": "The file", "content": {OTHER_TYPE: {}, "image/*": {}}}},
    **allow(Role.VIEWER),
)
async def read_media(request: Request, media_id: UUID) -> ClosingStream:
    """The file itself. A browser shows it without letting it run anything."""
    view = await _find(request, media_id)
    return await send_file(read_state(request.app).media, view)


@router.delete("/{media_id}", status_code=HTTPStatus.NO_CONTENT, **allow(Role.OPERATOR))
async def delete_media(request: Request, media_id: UUID, identity: Identified) -> None:
    """Remove a file that no template and no campaign needs."""
    state = read_state(request.app)
    await state.database.run(
        lambda session: media.delete_media(session, identity.actor, state.media, MediaId(media_id))
    )


async def _find(request: Request, media_id: UUID) -> media.MediaView:
    return await read_state(request.app).database.run(
        lambda session: media.get_media(session, MediaId(media_id))
    )


def _show(view: media.MediaView) -> MediaModel:
    return MediaModel(**{name: getattr(view, name) for name in MediaModel.model_fields})
