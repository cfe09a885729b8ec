"""Lists of channels, in and out."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from email.message import Message
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.channels import ChannelFilterQuery
from vestnik.api.schemas import ApiModel, Name, Text
from vestnik.domain.channel_lists import MAX_LIST_BYTES, ListForm
from vestnik.domain.text_encodings import find_encoding
from vestnik.domain.users import Role
from vestnik.services.channel_imports import ImportTarget, LineStatus, import_list
from vestnik.services.channel_views import ChannelView, list_channels
from vestnik.web.csv_stream import stream_csv
from vestnik.web.database import LONG_LIMIT_SECONDS
from vestnik.web.idempotency import Acting
from vestnik.web.identity import allow
from vestnik.web.problems import MEDIA_TYPE
from vestnik.web.state import read_state
from vestnik.web.streams import ClosingStream

router = APIRouter(prefix="/channels", tags=["channels"])

_EXPORT_PAGE: Final = 2_000
_COLUMNS: Final = ("username", "id", "title", "active", "reason", "since")
_JSON: Final = "application/json"
_FORMS: Final = {
    "text/plain": ListForm.ANY,
    "text/csv": ListForm.TABLE,
    _JSON: ListForm.ANY,
}


class ImportQuery(ApiModel):
    """How a list is taken over."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    dry_run: Annotated[bool, Field(description="Tell what would happen, and store nothing.")] = False
    batch_name: Annotated[
        Name | None, Field(description="Put all channels of the list into a new batch of this name.")
    ] = None
    batch_id: Annotated[UUID | None, Field(description="Put them into this batch.")] = None


class ImportText(ApiModel):
    """A list as a text: a channel a line, or CSV whose first line names its columns."""

    text: Annotated[Text, Field(max_length=MAX_LIST_BYTES, examples=["@example_news\nhttps://t.me/example"])]


class ReportedLine(ApiModel):
    """A line that was left out; `text` is cut."""

    line: int
    text: Annotated[str, Field(examples=["https://t.me/+AbCdEf"])]
    status: LineStatus
    reason: Annotated[str, Field(examples=["a private invitation link, which cannot be posted to"])]


class ImportReport(ApiModel):
    """What became of a list, or would. Imported channels are new or had been deleted; `lines` are the bad ones."""

    dry_run: bool
    imported: int
    existing: int
    duplicates: Annotated[int, Field(description="Lines that name a channel again.")]
    invalid: Annotated[int, Field(description="Lines that name no channel.")]
    lines: Annotated[list[ReportedLine], Field(description="The first 1,000 of both.")]
    batch_id: Annotated[UUID | None, Field(description="Null also in a dry run that would make the batch.")]
    batch_added: Annotated[int | None, Field(description="How many channels the batch did not have before.")]
    address_column: Annotated[
        int | None,
        Field(
            description="Which column of a table the channels were taken from, counted from 1.", examples=[2]
        ),
    ] = None


class ExportFormat(StrEnum):
    """A table, or one channel a line."""

    CSV = "csv"
    TXT = "txt"


class ExportQuery(ChannelFilterQuery):
    """Which channels are exported, and how."""

    format: ExportFormat = ExportFormat.CSV


def _describe_body() -> dict[str, Any]:
    text = {
        "type": "string",
        "description": "UTF-8, UTF-16 with its mark, or what the charset parameter of the Content-Type names "
        "(windows-1251, koi8-r, …); up to 10 MiB, 200,000 lines.",
    }
    listed = "@example_news\nhttps://t.me/example\n-1001234567890\n"
    return {
        "required": True,
        "content": {
            "text/plain": {"schema": text, "example": listed},
            "text/csv": {"schema": text, "example": "username,title\nexample_news,Example news\n"},
            _JSON: {"schema": ImportText.model_json_schema(by_alias=True)},
        },
    }


_IMPORT = allow(Role.OPERATOR)
_IMPORT["openapi_extra"] = {**_IMPORT["openapi_extra"], "requestBody": _describe_body()}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "There is no batch of this id", "content": _PROBLEM},
    415: {"description": "Neither text nor JSON, or text in an unknown charset", "content": _PROBLEM},
}


@router.post("/import", responses=_REFUSALS, **_IMPORT)
async def import_channels(
    request: Request, act: Acting, query: Annotated[ImportQuery, Query()]
) -> ImportReport:
    """Take over a list. Bad lines are left out and reported; if no line is good, nothing is stored.

    Of a CSV file the columns username, channel or link, id, and title are told by their names, in English or
    Russian. Without such a first line the column is taken in which addresses stand; `addressColumn` says which.
    """
    data, form, encoding = await _read_list(request)
    into = ImportTarget(name=query.batch_name, batch_id=query.batch_id)

    async def work(session: AsyncSession) -> ImportReport:
        report = await import_list(
            session, act.actor, data, form, encoding=encoding, into=into, dry_run=query.dry_run
        )
        return ImportReport.show(report)

    return await act(work, limit=LONG_LIMIT_SECONDS)


async def _read_list(request: Request) -> tuple[bytes, ListForm, str | None]:
    """The list as it was sent, how it is written, and its encoding if that was named.

    Raises HTTPException, RequestValidationError.
    """
    content_type = request.headers.get("content-type", "text/plain")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _FORMS:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the list as one of {', '.join(_FORMS)}, not as {kind}"
        )
    body = await request.body()
    if kind != _JSON:
        return body, _FORMS[kind], _read_encoding(content_type)
    try:
        return ImportText.model_validate_json(body).text.encode(), _FORMS[kind], None
    except ValidationError as exc:
        raise RequestValidationError(exc.errors(include_url=False)) from None


def _read_encoding(content_type: str) -> str | None:
    message = Message()
    message["Content-Type"] = content_type
    charset = message.get_param("charset")
    if charset is None:
        return None
    encoding = find_encoding(charset) if isinstance(charset, str) else None
    if encoding is None:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the charset {charset!r} is not known; send the list in UTF-8, UTF-16, windows-1251 or koi8-r, say",
        )
    return encoding


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "All channels that are wanted, the newest first; can be imported again",
            "content": {"text/csv": {}, "text/plain": {}},
        }
    },
    **allow(Role.VIEWER),
)
async def export_channels(request: Request, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """All channels, or those that the filters leave."""
    wanted = query.make_query()
    database = read_state(request.app).database
    # Read before the answer begins: afterwards an error could not be told.
    first = await database.run(lambda session: list_channels(session, wanted, limit=_EXPORT_PAGE))

    async def read_pages() -> AsyncIterator[Sequence[ChannelView]]:
        page = first
        yield page.items
        while page.next_before is not None:
            page = await database.run(
                lambda session, last=page.next_before: list_channels(  # type: ignore[misc]
                    session, wanted, limit=_EXPORT_PAGE, before=last
                )
            )
            yield page.items

    if query.format is ExportFormat.CSV:
        return stream_csv("channels.csv", _COLUMNS, _make_rows(read_pages()))
    return ClosingStream(
        _make_lines(read_pages()),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="channels.txt"'},
    )


async def _make_rows(pages: AsyncIterator[Sequence[ChannelView]]) -> AsyncIterator[list[list[object]]]:
    async for page in pages:
        yield [
            [
                channel.username,
                channel.tg_id,
                channel.title,
                "yes" if channel.active else "no",
                channel.reason,
                channel.since,
            ]
            for channel in page
        ]


async def _make_lines(pages: AsyncIterator[Sequence[ChannelView]]) -> AsyncGenerator[bytes, None]:
    async for page in pages:
        yield "".join(
            f"{channel.tg_id if channel.username is None else '@' + channel.username}\n" for channel in page
        ).encode()
