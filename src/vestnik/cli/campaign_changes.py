"""`vestnik campaign`: schedules, pace, and another try for what failed."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.campaign import Reference
from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import JsonOption, count_of, fields_of, format_rate, format_time, print_json
from vestnik.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.db.transitions import RetriedJobs
    from vestnik.services.campaign_views import CampaignView


def parse_time(value: str) -> datetime:
    """An ISO 8601 time; without an offset it is meant in the time zone of this machine.

    Raises InvalidInputError.
    """
    try:
        return datetime.fromisoformat(value.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise InvalidInputError(
            f"{value[:40]!r} is no time; write it as 2030-01-31T09:00, or with an offset as 2030-01-31T09:00+03:00",
            field="at",
        ) from None


def schedule_campaign(
    context: typer.Context,
    campaign: Reference,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help="Such as 2030-01-31T09:00; local time unless it has an offset."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Have it started at a time; a worker has to run then."""
    from vestnik.services import campaigns

    moment = parse_time(at)

    async def act(session: "AsyncSession") -> "CampaignView":
        campaign_id = await campaigns.find_campaign(session, campaign)
        return await campaigns.schedule_campaign(session, identify_actor(), campaign_id, moment)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Campaign '{view.name}' starts at {format_time(view.scheduled_at)}.")


def unschedule_campaign(context: typer.Context, campaign: Reference, as_json: JsonOption = False) -> None:
    """Make a scheduled one a draft again."""
    from vestnik.services import campaigns

    async def act(session: "AsyncSession") -> "CampaignView":
        campaign_id = await campaigns.find_campaign(session, campaign)
        return await campaigns.unschedule_campaign(session, identify_actor(), campaign_id)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Campaign '{view.name}' is a draft again.")


def retry_failed(
    context: typer.Context,
    campaign: Reference,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="CODE", help="Only failures with this error code; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Queue failed messages again. Those with UNKNOWN_OUTCOME only when that code is named."""
    from vestnik.services import campaigns

    async def act(session: "AsyncSession") -> "tuple[CampaignView, RetriedJobs]":
        campaign_id = await campaigns.find_campaign(session, campaign)
        retried = await campaigns.retry_failed(session, identify_actor(), campaign_id, code or None)
        return await campaigns.get_campaign(session, campaign_id), retried

    view, retried = run_action(context, act)
    if as_json:
        print_json({**fields_of(view), **fields_of(retried)})
        return
    skipped = f"; {retried.skipped} skipped, their channels are inactive" if retried.skipped else ""
    print(f"Campaign '{view.name}': {count_of(retried.reopened, 'message')} in the queue again{skipped}.")


def change_campaign(
    context: typer.Context,
    campaign: Reference,
    rate: Annotated[str | None, typer.Option("--rate", metavar="RATE", help="Messages per second.")] = None,
    retry_limit: Annotated[
        int | None, typer.Option("--retry-limit", metavar="N", help="Retries after a failed first attempt.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change the pace, also while it runs."""
    from vestnik.services import campaigns

    async def act(session: "AsyncSession") -> "CampaignView":
        campaign_id = await campaigns.find_campaign(session, campaign)
        return await campaigns.change_pace(
            session, identify_actor(), campaign_id, rate=rate, retry_limit=retry_limit
        )

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    limit = view.retry_limit
    retries = f"{limit} {'retry' if limit == 1 else 'retries'} at most"
    print(f"Campaign '{view.name}': {format_rate(view.delivery_rate)}, {retries}.")
