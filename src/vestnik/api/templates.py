"""Templates: what campaigns post."""

from collections.abc import Awaitable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from vestnik.api.schemas import ApiModel, Limit, Name, Page, Text, make_page
from vestnik.content import MAX_SOURCE_LENGTH, EntityType, ParseMode, Variable, entity_to_json
from vestnik.domain.albums import LARGEST_ALBUM
from vestnik.domain.ids import TemplateId
from vestnik.domain.media import LONGEST_URL, MediaType
from vestnik.domain.posting import PreviewPosition, PreviewSize
from vestnik.domain.users import Role
from vestnik.services import previews, templates
from vestnik.services.template_files import TemplateChanges
from vestnik.services.templates import TemplateDraft
from vestnik.web.cursors import decode_cursor
from vestnik.web.etags import ExpectedRevision, list_created, put_etag
from vestnik.web.idempotency import Acting
from vestnik.web.identity import Identified, allow
from vestnik.web.patterns import CHANNEL_USERNAME
from vestnik.web.state import read_state

router = APIRouter(prefix="/templates", tags=["templates"])

_list_created = list_created("/api/templates")

EXAMPLE: Final = "<b>{channel_title}</b>, {date}\n<a href='https://news.example/'>Read more</a>"

Source = Annotated[
    Text,
    Field(
        max_length=MAX_SOURCE_LENGTH,
        description="The text with its markup and {variables}; {{ and }} are braces themselves. With a file it may "
        "be empty.",
        examples=[EXAMPLE],
    ),
]
Mode = Annotated[
    Annotated[Text, Field(max_length=20)] | None,
    Field(
        description="HTML, or Markdown in the dialect that Telegram calls MarkdownV2; null is plain text.",
        examples=["HTML"],
    ),
]
Kind = Annotated[
    Annotated[Text, Field(max_length=20)] | None,
    Field(
        description=f"One of {', '.join(MediaType)}; goes with mediaUrl, and is known of a stored file.",
        examples=[None, "photo"],
    ),
]
Address = Annotated[
    Annotated[Text, Field(max_length=LONGEST_URL)] | None,
    Field(description="http or https, without a user name.", examples=[None, "https://news.example/1.jpg"]),
]
StoredFile = Annotated[
    UUID | None, Field(description="A file stored by POST /api/media; instead of mediaUrl.", examples=[None])
]


StoredFiles = Annotated[
    list[UUID],
    Field(
        max_length=LARGEST_ALBUM,
        description="Stored files in their order, 2 to 10 for an album: photos and videos together, documents or audio "
        "with their like. One is the same as mediaId.",
        examples=[[]],
    ),
]
Position = Annotated[
    Annotated[Text, Field(max_length=20)],
    Field(description="Where the link's preview stands: above or below the text.", examples=["below"]),
]
Size = Annotated[
    Annotated[Text, Field(max_length=20)] | None,
    Field(
        description="large or small for the picture of the link's preview, where the text has an http or "
        "https address; null leaves it to Telegram.",
        examples=["large"],
    ),
]
Silent = Annotated[bool, Field(description="Readers are notified without a sound.")]
Protected = Annotated[bool, Field(description="Readers cannot forward, save or copy the post.")]


class Button(ApiModel):
    """A button with a link below a post."""

    text: Annotated[
        Text, Field(max_length=200, description="At most 64 UTF-16 units.", examples=["Read more"])
    ]
    url: Annotated[
        Text,
        Field(
            max_length=4096, description="An http, https or tg address.", examples=["https://news.example/1"]
        ),
    ]


Buttons = Annotated[
    list[list[Button]],
    Field(
        description="Rows of buttons with links: at most 8 in a row, 100 in all. Only the posts of bots can have them, "
        "and albums cannot.",
        examples=[[]],
    ),
]


class NewTemplate(ApiModel):
    """A template to make. With media the text is a caption of 1,024 UTF-16 units instead of 4,096."""

    name: Annotated[Name, Field(examples=["Morning news"])]
    content: Source
    parse_mode: Mode = None
    link_preview: bool = True
    link_preview_position: Position = PreviewPosition.BELOW
    link_preview_size: Size = None
    silent: Silent = False
    protect_content: Protected = False
    buttons: Buttons = Field(default_factory=list)
    media_type: Kind = None
    media_url: Address = None
    media_id: StoredFile = None
    media_ids: StoredFiles = Field(default_factory=list)


class TemplateEdit(ApiModel):
    """What is to change; what is left out stays as it is."""

    name: Annotated[Name, Field(examples=["Morning news"])] = Field(default_factory=str)
    content: Source = Field(default_factory=str)
    parse_mode: Mode = None
    link_preview: bool = Field(default_factory=bool)
    link_preview_position: Position = Field(default_factory=str)
    link_preview_size: Size = None
    silent: Silent = Field(default_factory=bool)
    protect_content: Protected = Field(default_factory=bool)
    buttons: Buttons = Field(default_factory=list)
    media_type: Kind = None
    media_url: Address = None
    media_id: StoredFile = None
    media_ids: StoredFiles = Field(default_factory=list)


class Duplicate(ApiModel):
    """How the copy is named; without a name it gets the original's with a number."""

    name: Annotated[Name | None, Field(examples=["Evening news"])] = None


class SampleValues(ApiModel):
    """What the variables stand for in a preview."""

    channel_title: Annotated[Text | None, Field(max_length=255, examples=["Daily News"])] = None
    channel_username: Annotated[Text | None, Field(pattern=CHANNEL_USERNAME, examples=["daily_news"])] = None


class PreviewOf(ApiModel):
    """In which channel it is shown: one of ours, or one of such values."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"values": {"channelTitle": "Daily News"}}]})

    channel_id: UUID | None = None
    values: SampleValues | None = None

    def as_arguments(self) -> dict[str, Any]:
        """As the service takes it."""
        if self.values is None:
            return {"channel_id": self.channel_id}
        username = self.values.channel_username
        return {
            "channel_id": self.channel_id,
            "title": self.values.channel_title,
            "username": None if username is None else username.removeprefix("@"),
        }


class DraftPreview(PreviewOf):
    """A text that need not be saved, and in which channel it is shown."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"content": EXAMPLE, "parseMode": "HTML", "values": {"channelTitle": "Daily News"}}]
        }
    )

    content: Source
    parse_mode: Mode = None
    media_type: Kind = None
    media_url: Address = None
    media_id: StoredFile = None
    media_ids: StoredFiles = Field(default_factory=list)


class ListedTemplate(ApiModel):
    """A template in a list."""

    id: UUID
    name: Annotated[str, Field(examples=["Morning news"])]
    content: Annotated[str, Field(examples=[EXAMPLE])]
    parse_mode: ParseMode | None
    link_preview: bool
    link_preview_position: PreviewPosition
    link_preview_size: PreviewSize | None
    silent: bool
    protect_content: bool
    buttons: list[list[Button]]
    media_type: MediaType | None
    media_url: str | None
    media_id: Annotated[UUID | None, Field(description="The first of mediaIds.")]
    media_ids: Annotated[list[UUID], Field(description="The stored files in their order.")]
    revision: int
    created_at: datetime
    updated_at: datetime


class TemplateModel(ListedTemplate):
    """A template. `length` and `limit` are UTF-16 units, as Telegram counts; variables count as empty."""

    length: int
    limit: int
    variables: list[Variable]


class EntityModel(ApiModel):
    """One piece of formatting, as the Bot API writes it; offset and length are UTF-16 units."""

    type: Annotated[EntityType, Field(examples=["bold"])]
    offset: Annotated[int, Field(examples=[0])]
    length: Annotated[int, Field(examples=[10])]
    url: str | None = None
    language: str | None = None
    user_id: int | None = None
    custom_emoji_id: Annotated[str | None, Field(description="A number beyond what JSON keeps exactly.")] = (
        None
    )


class PreviewModel(ApiModel):
    """A text as Telegram would get it."""

    text: Annotated[str, Field(examples=["Daily News"])]
    entities: list[EntityModel]
    html: Annotated[
        str,
        Field(
            description="Safe to put into a page; line ends are kept by `white-space: pre-wrap`.",
            examples=["<b>Daily News</b>"],
        ),
    ]
    length: Annotated[int, Field(examples=[10])]
    limit: Annotated[int, Field(examples=[4096])]
    overflow: Annotated[int, Field(description="UTF-16 units too many; 0 where it fits.", examples=[0])]
    variables: list[Variable]
    warnings: Annotated[
        list[str],
        Field(
            description="What would keep it from being saved or posted, or from looking so.",
            examples=[["custom emoji need an account with Telegram Premium; others post the plain emoji"]],
        ),
    ]


class TemplateQuery(ApiModel):
    """Which templates are wanted, and which page of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    search: Annotated[Text | None, Field(max_length=200, description="Part of the name or the text.")] = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


@router.post("", status_code=HTTPStatus.CREATED, **allow(Role.OPERATOR))
async def create_template(body: NewTemplate, act: Acting) -> TemplateModel:
    """Save a template. What Telegram would refuse, cut or post without its formatting is refused."""
    return await act(
        lambda session: _show(
            templates.save_template(session, act.actor, TemplateDraft(**body.model_dump(by_alias=False)))
        ),
        headers=_list_created,
    )


@router.get("", **allow(Role.VIEWER))
async def list_templates(request: Request, query: Annotated[TemplateQuery, Query()]) -> Page[ListedTemplate]:
    """The newest first."""
    after = None if query.cursor is None else decode_cursor(query.cursor, [datetime, UUID])
    found = await read_state(request.app).database.run(
        lambda session: templates.list_templates(
            session,
            limit=query.limit + 1,
            search=query.search,
            after=cast("tuple[datetime, TemplateId] | None", after),
        )
    )
    return Page[ListedTemplate](
        **make_page(found, query.limit, ListedTemplate.show, lambda item: [item.created_at, item.id])
    )


@router.post("/preview", **allow(Role.VIEWER))
async def preview_text(request: Request, body: DraftPreview) -> PreviewModel:
    """Show a text before it is saved: as readers would see it, and what is wrong with it."""
    draft = TemplateDraft(
        name="preview",
        content=body.content,
        parse_mode=body.parse_mode,
        media_type=body.media_type,
        media_url=body.media_url,
        media_id=body.media_id,
        media_ids=body.media_ids,
    )
    state = read_state(request.app)
    found = await state.database.run(
        lambda session: previews.preview_draft(
            session, draft, at=datetime.now(state.zone), **body.as_arguments()
        )
    )
    return _show_preview(found)


@router.get("/{template_id}", **allow(Role.VIEWER))
async def show_template(request: Request, response: Response, template_id: UUID) -> TemplateModel:
    """One template."""
    view = await read_state(request.app).database.run(
        lambda session: templates.get_template(session, TemplateId(template_id))
    )
    put_etag(response, view.revision)
    return TemplateModel.show(view)


@router.patch("/{template_id}", **allow(Role.OPERATOR))
async def edit_template(
    *,
    request: Request,
    response: Response,
    template_id: UUID,
    body: TemplateEdit,
    identity: Identified,
    expected: ExpectedRevision,
) -> TemplateModel:
    """Change a template. Campaigns that have started keep what they began with."""
    changes = cast("TemplateChanges", body.model_dump(exclude_unset=True, by_alias=False))
    view = await read_state(request.app).database.run(
        lambda session: templates.edit_template(
            session, identity.actor, TemplateId(template_id), changes, expected_revision=expected
        )
    )
    put_etag(response, view.revision)
    return TemplateModel.show(view)


@router.delete("/{template_id}", status_code=HTTPStatus.NO_CONTENT, **allow(Role.OPERATOR))
async def delete_template(
    request: Request, template_id: UUID, identity: Identified, expected: ExpectedRevision
) -> None:
    """Remove a template that no campaign uses."""
    await read_state(request.app).database.run(
        lambda session: templates.delete_template(
            session, identity.actor, TemplateId(template_id), expected_revision=expected
        )
    )


@router.post("/{template_id}/duplicate", status_code=HTTPStatus.CREATED, **allow(Role.OPERATOR))
async def duplicate_template(template_id: UUID, act: Acting, body: Duplicate | None = None) -> TemplateModel:
    """Make a copy."""
    name = None if body is None else body.name
    return await act(
        lambda session: _show(
            templates.duplicate_template(session, act.actor, TemplateId(template_id), name=name)
        ),
        headers=_list_created,
    )


@router.post("/{template_id}/preview", **allow(Role.VIEWER))
async def preview_template(
    request: Request, template_id: UUID, body: PreviewOf | None = None
) -> PreviewModel:
    """Show a template in a channel: as readers would see it, and what is wrong with it."""
    state = read_state(request.app)
    arguments = (body or PreviewOf()).as_arguments()
    found = await state.database.run(
        lambda session: previews.preview_template(
            session, TemplateId(template_id), at=datetime.now(state.zone), **arguments
        )
    )
    return _show_preview(found)


async def _show(view: Awaitable[templates.TemplateView]) -> TemplateModel:
    return TemplateModel.show(await view)


def _show_preview(preview: previews.Preview) -> PreviewModel:
    fields = {name: getattr(preview, name) for name in PreviewModel.model_fields if name != "entities"}
    entities = [EntityModel.model_validate(entity_to_json(entity)) for entity in preview.entities]
    return PreviewModel(entities=entities, **fields)
