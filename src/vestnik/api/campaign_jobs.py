"""What became of a campaign's messages, as pages and as a file."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic.alias_generators import to_camel

from vestnik.api.campaign_schemas import JobPage, JobQuery, JobView
from vestnik.domain.ids import CampaignId, JobId
from vestnik.domain.users import Role
from vestnik.services import campaign_jobs
from vestnik.services.campaign_jobs import BEFORE_ALL, JobFilter, make_job_filter
from vestnik.web.csv_stream import stream_csv
from vestnik.web.cursors import decode_cursor, encode_cursor
from vestnik.web.identity import allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/campaigns", tags=["campaigns"])

_REPORT_PAGE = 2_000
_COLUMNS = (
    "id", "channel", "title", "status", "attempts", "error_code", "error_message", "message_ids", "link",
    "maybe_sent", "started_at", "sent_at", "failed_at",
)  # fmt: skip


@router.get("/{campaign_id}/jobs", **allow(Role.VIEWER))
async def list_jobs(request: Request, campaign_id: UUID, query: Annotated[JobQuery, Query()]) -> JobPage:
    """The messages in the order in which they are sent, one for each channel."""
    after = BEFORE_ALL
    if query.cursor is not None:
        (number,) = decode_cursor(query.cursor, [int])
        assert isinstance(number, int)
        after = JobId(number)
    wanted = make_job_filter(query.status, query.error_code, query.search)
    page = await read_state(request.app).database.run(
        lambda session: campaign_jobs.list_jobs(
            session, CampaignId(campaign_id), wanted, after=after, limit=query.limit
        )
    )
    return JobPage(
        items=[JobView.show(item) for item in page.items],
        next_cursor=None if page.next_after is None else encode_cursor([page.next_after]),
        purged_at=page.purged_at,
    )


@router.get(
    "/{campaign_id}/report.csv",
    response_class=StreamingResponse,
    responses={200: {"description": "A line for each message", "content": {"text/csv": {}}}},
    **allow(Role.VIEWER),
)
async def export_report(request: Request, campaign_id: UUID) -> StreamingResponse:
    """All messages as CSV, in the order in which they are sent."""
    database = read_state(request.app).database

    async def read(after: JobId) -> campaign_jobs.JobPage:
        return await database.run(
            lambda session: campaign_jobs.list_jobs(
                session, CampaignId(campaign_id), JobFilter(), after=after, limit=_REPORT_PAGE
            )
        )

    # The first page is read before the answer begins: afterwards an error could not be told.
    first = await read(BEFORE_ALL)

    async def read_pages() -> AsyncIterator[list[list[object]]]:
        page = first
        yield [_list_cells(job) for job in page.items]
        while page.next_after is not None:
            page = await read(page.next_after)
            yield [_list_cells(job) for job in page.items]

    return stream_csv(f"campaign-{campaign_id}.csv", [to_camel(name) for name in _COLUMNS], read_pages())


def _list_cells(job: campaign_jobs.JobView) -> list[object]:
    return [_write(getattr(job, name)) for name in _COLUMNS]


def _write(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
