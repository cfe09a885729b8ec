"""`vestnik campaign`: batch + template + rate + retry limit + mode, delivered by one account."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.batch import summarize_import
from vestnik.cli.channels import describe_import, read_channel_list
from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import (
    JsonOption,
    count_of,
    fields_of,
    format_rate,
    format_time,
    print_fields,
    print_invalid_lines,
    print_json,
    print_table,
    print_warning,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.domain.actors import Actor
    from vestnik.domain.ids import CampaignId
    from vestnik.services.campaign_views import CampaignView
    from vestnik.services.campaigns import CreatedCampaign

    ChangeStatus = Callable[[AsyncSession, Actor, CampaignId], Awaitable[CampaignView]]

app = typer.Typer(help="Campaigns.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its name or id.")]


@app.command("create")
def create_campaign(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME")],
    rate: Annotated[
        str, typer.Option("--rate", metavar="RATE", help="Messages per second, such as 20 or 0.33.")
    ],
    batch: Annotated[str | None, typer.Option("--batch", metavar="BATCH", help="Its name or id.")] = None,
    channels_file: Annotated[
        str | None,
        typer.Option("--channels-file", metavar="FILE|-", help="One channel a line, instead of a batch."),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="TEMPLATE", help="Its name or id.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What to post, instead of a template.")
    ] = None,
    parse_mode: Annotated[
        str | None,
        typer.Option(
            "--parse-mode", metavar="HTML|MARKDOWN", help="How the text is written; plain text without."
        ),
    ] = None,
    retry_limit: Annotated[
        int, typer.Option("--retry-limit", metavar="N", help="Retries after a failed first attempt.")
    ] = 3,
    mode: Annotated[
        str, typer.Option("--mode", metavar="TEST|LIVE", help="TEST rehearses: nothing leaves for Telegram.")
    ] = "TEST",
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Its name or id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a campaign; nothing is sent before it is started."""
    from vestnik.services import campaigns

    new = campaigns.NewCampaign(
        name=name,
        batch=batch,
        channels_file=None if channels_file is None else read_channel_list(channels_file),
        template=template,
        text=text,
        parse_mode=parse_mode,
        rate=rate,
        retry_limit=retry_limit,
        mode=mode,
        account=account,
    )

    async def act(session: "AsyncSession") -> "CreatedCampaign":
        return await campaigns.create_campaign(session, identify_actor(), new)

    _print_created(run_action(context, act), as_json=as_json)


def _print_created(created: "CreatedCampaign", *, as_json: bool) -> None:
    view, imported = created.campaign, created.imported
    if as_json:
        summary = {} if imported is None else summarize_import(imported)
        print_json({**fields_of(view), "channels": created.channels, **summary})
        return
    if imported is not None:
        print(f"Batch '{view.batch_name}': {describe_import(imported)}.")
        print_invalid_lines(imported.invalid)
    print(
        f"Campaign '{view.name}' ({view.id}) is a draft: {count_of(created.channels, 'channel')} at "
        f"{format_rate(view.delivery_rate)}, {view.mode} on account '{view.account_name}'."
    )
    print(f"Next: vestnik campaign start {view.id}")


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A campaign, its failures by code, and whether a worker lives."""

    view: "CampaignView"
    failures: dict[str, int]
    worker_alive: bool


def _look(context: typer.Context, reference: str, change: "ChangeStatus | None" = None) -> _Seen:
    """Find a campaign, change its status if asked, and read it, all in one transaction."""
    from vestnik.services import accounts, campaigns

    async def act(session: "AsyncSession") -> _Seen:
        campaign_id = await campaigns.find_campaign(session, reference)
        if change is None:
            view = await campaigns.get_campaign(session, campaign_id)
        else:
            view = await change(session, identify_actor(), campaign_id)
        failures = await campaigns.count_failures(session, campaign_id) if view.progress.failed else {}
        return _Seen(view=view, failures=failures, worker_alive=await accounts.is_worker_alive(session))

    return run_action(context, act)


def _print_seen_json(seen: _Seen) -> None:
    print_json({**fields_of(seen.view), "failures": seen.failures, "worker_alive": seen.worker_alive})


@app.command("start")
def start_campaign(
    context: typer.Context,
    campaign: Reference,
    skip_failing: Annotated[
        bool,
        typer.Option("--skip-failing", help="Leave out the channels that its preflight says would fail."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Freeze content and channels and begin to send."""
    from vestnik.services import campaigns

    seen = _look(context, campaign, partial(campaigns.start_campaign, skip_failing=skip_failing))
    if as_json:
        _print_seen_json(seen)
        return
    view = seen.view
    print(
        f"Campaign '{view.name}' is started: {count_of(view.progress.total, 'message')} at "
        f"{format_rate(view.delivery_rate)}."
    )
    _print_state(seen)
    print(f"Next: vestnik campaign show {view.id}")


@app.command("pause")
def pause_campaign(context: typer.Context, campaign: Reference, as_json: JsonOption = False) -> None:
    """Stop sending until it is resumed."""
    from vestnik.services import campaigns

    seen = _look(context, campaign, campaigns.pause_campaign)
    if as_json:
        _print_seen_json(seen)
        return
    print(f"Campaign '{seen.view.name}' is paused: {_describe_progress(seen.view)}.")
    print(f"Next: vestnik campaign resume {seen.view.id}")


@app.command("resume")
def resume_campaign(context: typer.Context, campaign: Reference, as_json: JsonOption = False) -> None:
    """Go on sending."""
    from vestnik.services import campaigns

    seen = _look(context, campaign, campaigns.resume_campaign)
    if as_json:
        _print_seen_json(seen)
        return
    print(f"Campaign '{seen.view.name}' goes on: {_describe_progress(seen.view)}.")
    _print_state(seen)


@app.command("cancel")
def cancel_campaign(context: typer.Context, campaign: Reference, as_json: JsonOption = False) -> None:
    """End it for good; what was posted stays posted."""
    from vestnik.services import campaigns

    seen = _look(context, campaign, campaigns.cancel_campaign)
    if seen.view.progress.queued:  # many: the rest in parts, so that nobody waits for long
        while run_action(context, campaigns.finish_cancel):
            pass
        seen = _look(context, str(seen.view.id))
    if as_json:
        _print_seen_json(seen)
        return
    print(f"Campaign '{seen.view.name}' is cancelled: {_describe_progress(seen.view)}.")


@app.command("show")
def show_campaign(context: typer.Context, campaign: Reference, as_json: JsonOption = False) -> None:
    """Show a campaign and its progress."""
    seen = _look(context, campaign)
    if as_json:
        _print_seen_json(seen)
        return
    view = seen.view
    failures = ", ".join(f"{code} {count}" for code, count in seen.failures.items())
    print_fields(
        [
            ("name", view.name),
            ("id", view.id),
            ("status", _describe_status(view)),
            ("progress", _describe_progress(view)),
            ("failures", failures),
            ("mode", view.mode),
            ("account", view.account_name),
            ("batch", view.batch_name),
            ("template", view.template_name),
            ("rate", format_rate(view.delivery_rate)),
            ("retry limit", view.retry_limit),
            ("pauses itself above", f"{view.max_error_rate:.1%} failures"),
            ("scheduled", format_time(view.scheduled_at)),
            ("created", format_time(view.created_at)),
            ("started", format_time(view.started_at)),
            ("ended", format_time(view.ended_at)),
        ]
    )
    _print_state(seen)


@app.command("list")
def list_campaigns(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many to list.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """List campaigns, the newest first."""
    from vestnik.services import campaigns

    async def act(session: "AsyncSession") -> "list[CampaignView]":
        return await campaigns.list_campaigns(session, limit=limit)

    views = run_action(context, act)
    if as_json:
        for view in views:
            print_json(view)
        return
    if not views:
        print("There is no campaign yet. Next: vestnik campaign create --help")
        return
    rows = [
        (
            view.name,
            _describe_status(view),
            view.mode,
            view.progress.total,
            view.progress.sent,
            view.progress.failed,
            format_rate(view.delivery_rate),
            view.account_name,
            format_time(view.created_at),
            view.id,
        )
        for view in views
    ]
    columns = ("name", "status", "mode", "total", "sent", "failed", "rate", "account", "created", "id")
    print_table(columns, rows)


def _describe_status(view: "CampaignView") -> str:
    parts = [str(view.status)]
    if view.pause_reason is not None:
        parts.append(f"({view.pause_reason})")
    if view.resumes_at is not None:
        parts.append(f"until {format_time(view.resumes_at)}")
    if view.status_detail:
        parts.append(f"- {view.status_detail}")
    return " ".join(parts)


def _describe_progress(view: "CampaignView") -> str:
    progress = view.progress
    if not progress.total:
        return "no messages yet"
    counts = (
        ("sent", progress.sent),
        ("failed", progress.failed),
        ("cancelled", progress.cancelled),
        ("in flight", progress.sending),
        ("waiting", progress.queued),
    )
    shown = ", ".join(f"{count} {name}" for name, count in counts if count or name == "sent")
    text = f"{shown} of {progress.total}"
    if progress.seconds_left:
        text += f"; {progress.rate_per_minute:.0f} in the last minute, about {_format_left(progress.seconds_left)} left"
    return text


def _format_left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _print_state(seen: _Seen) -> None:
    """What keeps a running campaign from moving."""
    from vestnik.domain.states import CampaignStatus, DerivedPause

    view = seen.view
    if view.stored_status is not CampaignStatus.RUNNING:
        return
    if view.pause_reason is DerivedPause.FLOOD_WAIT:
        print_warning(
            f"Telegram makes the account wait; it goes on by itself at {format_time(view.resumes_at)}"
        )
    elif view.pause_reason is DerivedPause.ACCOUNT_BLOCKED:
        print_warning(f"nothing is sent: {view.status_detail}")
    if not seen.worker_alive:
        print_warning("nothing is delivering; run 'vestnik up'")
