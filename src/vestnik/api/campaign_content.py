"""What a campaign posts, and its correction while the campaign is paused."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from vestnik.api.schemas import ApiModel
from vestnik.api.templates import (
    Button,
    Buttons,
    Mode,
    Position,
    Protected,
    Silent,
    Size,
    Source,
    StoredFiles,
)
from vestnik.content import ParseMode, Variable
from vestnik.domain.ids import CampaignId
from vestnik.domain.media import MediaType
from vestnik.domain.posting import LATER_NAMES, PreviewPosition, PreviewSize
from vestnik.domain.users import Role
from vestnik.services import content_corrections
from vestnik.web.database import patiently
from vestnik.web.etags import ExpectedRevision, put_etag
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/campaigns", tags=["campaigns"])


class CorrectedContent(ApiModel):
    """What is posted from now on. What goes with the post beside `linkPreview` stays where it is left out."""

    content: Source
    parse_mode: Mode = None
    link_preview: bool = True
    link_preview_position: Position | None = None
    link_preview_size: Size = None
    silent: Silent | None = None
    protect_content: Protected | None = None
    buttons: Buttons | None = None
    media_id: Annotated[
        UUID | None,
        Field(
            description="Another stored file; null takes all files away, and left out they stay.",
            examples=[None],
        ),
    ] = None
    media_ids: StoredFiles = Field(default_factory=list)


class CampaignContentModel(ApiModel):
    """What the campaign posts where it has not posted yet; `id` and `revision` are the campaign's."""

    id: UUID
    content: Annotated[str, Field(examples=["Good morning, {channel_title}!"])]
    parse_mode: ParseMode | None
    link_preview: bool
    link_preview_position: PreviewPosition
    link_preview_size: PreviewSize | None
    silent: bool
    protect_content: bool
    buttons: list[list[Button]]
    media_type: MediaType | None
    media_id: UUID | None
    media_ids: list[UUID]
    media_url: Annotated[str | None, Field(description="Where the file is still to be fetched from.")]
    length: Annotated[int, Field(description="UTF-16 units, variables as if empty.")]
    limit: int
    variables: list[Variable]
    revision: int


@router.get("/{campaign_id}/content", **allow(Role.VIEWER))
async def show_content(request: Request, response: Response, campaign_id: UUID) -> CampaignContentModel:
    """The copy of the template that the campaign keeps since its start, or its correction; 409 before."""
    view = await read_state(request.app).database.run(
        lambda session: content_corrections.get_content(session, CampaignId(campaign_id))
    )
    put_etag(response, view.revision)
    return CampaignContentModel.show(view)


@router.put("/{campaign_id}/content", **allow(Role.OPERATOR))
async def correct_content(
    *,
    request: Request,
    response: Response,
    campaign_id: UUID,
    body: CorrectedContent,
    identity: Identified,
    expected: ExpectedRevision,
) -> CampaignContentModel:
    """Correct what a PAUSED campaign posts; channels that have the old post keep it."""
    view = await read_state(request.app).database.run(
        patiently(
            lambda session: content_corrections.correct_content(
                session,
                identity.actor,
                CampaignId(campaign_id),
                body.content,
                parse_mode=body.parse_mode,
                link_preview=body.link_preview,
                options=_list_options(body),
                buttons=content_corrections.KEPT if body.buttons is None else _list_buttons(body.buttons),
                media_id=body.media_id if "media_id" in body.model_fields_set else content_corrections.KEPT,
                media_ids=body.media_ids
                if "media_ids" in body.model_fields_set
                else content_corrections.KEPT,
                expected_revision=expected,
            )
        )
    )
    put_etag(response, view.revision)
    return CampaignContentModel.show(view)


def _list_options(body: CorrectedContent) -> dict[str, Any]:
    """Those that were given; null means something for the size alone."""
    given = body.model_dump(include=set(LATER_NAMES), exclude_unset=True, by_alias=False)
    return {name: value for name, value in given.items() if value is not None or name == "link_preview_size"}


def _list_buttons(rows: list[list[Button]]) -> list[list[dict[str, Any]]]:
    return [[button.model_dump(by_alias=False) for button in row] for row in rows]
