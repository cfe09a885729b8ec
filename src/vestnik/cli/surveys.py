"""`vestnik account sync` and `vestnik campaign preflight`: what the worker finds out without posting anything."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli import account as accounts
from vestnik.cli.campaign import Reference
from vestnik.cli.context import identify_actor, read_settings
from vestnik.cli.output import (
    JsonOption,
    count_of,
    fields_of,
    format_time,
    print_json,
    print_note,
    print_table,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.services.preflights import FindingView, PreflightView
    from vestnik.services.syncs import SyncView

LISTED = 50

Timeout = Annotated[
    int, typer.Option("--timeout", metavar="SECONDS", min=0, max=3600, help="How long to wait for its end.")
]


def sync_account(
    context: typer.Context, account: accounts.Reference, timeout: Timeout = 120, as_json: JsonOption = False
) -> None:
    """Add the channels that the account may post in, and bring known ones up to what Telegram shows.

    Prints the report when the channels are there; members and slow modes may still be being asked for.
    """
    from vestnik import bootstrap

    view = bootstrap.run_with_engine(
        read_settings(context), _Syncing(account, timedelta(seconds=timeout)), announce=print_note
    )
    if as_json:
        print_json({**fields_of(view), **fields_of(view.report)})
    else:
        print(_describe_sync(view))
    if view.error_code is not None:
        raise typer.Exit(1)


class _Syncing:
    """Ask, then wait."""

    def __init__(self, account: str, timeout: timedelta) -> None:
        self._account = account
        self._timeout = timeout

    async def __call__(self, engine: "AsyncEngine") -> "SyncView":
        from vestnik.db.engine import open_session
        from vestnik.domain.ids import AccountId, CommandId
        from vestnik.domain.surveys import SyncPhase
        from vestnik.services.polling import poll_until
        from vestnik.services.syncs import get_sync, request_sync

        async with open_session(engine) as session:
            asked = await request_sync(session, identify_actor(), self._account)

        async def read() -> "SyncView":
            async with open_session(engine) as session:
                return await get_sync(session, AccountId(asked.account_id), CommandId(asked.id))

        has_all = {SyncPhase.DETAILS, SyncPhase.DONE}
        return await poll_until(
            read,
            lambda view: view.status.is_final or view.report.phase in has_all,
            timeout=self._timeout,
        )


def _describe_sync(view: "SyncView") -> str:
    report = view.report
    if view.error_code is not None:
        return f"Account '{view.account_name}': {view.error_code}: {view.error_message or 'no reason given'}"
    parts = [
        f"{report.added} added",
        f"{report.updated} updated",
        f"{report.unchanged} unchanged",
        f"{report.without_right} without the right to post",
    ]
    parts += [f"{report.left_out} left out because they were deleted here"] if report.left_out else []
    parts += [f"{report.gone} gone"] if report.gone else []
    text = f"Account '{view.account_name}': {', '.join(parts)}; {count_of(report.seen, 'channel')} seen."
    if not view.status.is_final:
        text += " It is still going on; run the command again to see how far it is."
    return text


def check_campaign(
    context: typer.Context, campaign: Reference, timeout: Timeout = 120, as_json: JsonOption = False
) -> None:
    """Find out, without posting, in which channels a campaign would fail if it started now.

    The exit code is 1 when any would. Leave them out with: vestnik campaign start --skip-failing
    """
    from vestnik import bootstrap

    view, found = bootstrap.run_with_engine(
        read_settings(context), _Checking(campaign, timedelta(seconds=timeout)), announce=print_note
    )
    if as_json:
        print_json({**fields_of(view), "channels": found})
    else:
        _print_report(view, found)
    if view.error_code is not None or view.failing:
        raise typer.Exit(1)


class _Checking:
    """Ask, then wait, then read the first of what was found."""

    def __init__(self, campaign: str, timeout: timedelta) -> None:
        self._campaign = campaign
        self._timeout = timeout

    async def __call__(self, engine: "AsyncEngine") -> "tuple[PreflightView, list[FindingView]]":
        from vestnik.db.engine import open_session
        from vestnik.services.campaigns import find_campaign
        from vestnik.services.polling import poll_until
        from vestnik.services.preflights import get_preflight, list_findings, request_preflight

        async with open_session(engine) as session:
            campaign_id = await find_campaign(session, self._campaign)
            await request_preflight(session, identify_actor(), campaign_id)

        async def read() -> "PreflightView":
            async with open_session(engine) as session:
                return await get_preflight(session, campaign_id)

        view = await poll_until(read, lambda seen: seen.status.is_final, timeout=self._timeout)
        if view.finished_at is None:
            return view, []
        async with open_session(engine) as session:
            return view, await list_findings(session, campaign_id, limit=LISTED)


def _print_report(view: "PreflightView", found: "list[FindingView]") -> None:
    if view.error_code is not None:
        print(f"The preflight failed: {view.error_code}: {view.error_message or 'no reason given'}")
        return
    if view.finished_at is None:
        print(f"Not finished: {count_of(view.checked, 'channel')} looked at. Run the command again.")
        return
    parts = [f"{view.ready} ready", f"{view.failing} would fail"]
    parts += [f"{view.waiting} not found out"] if view.waiting else []
    parts += [f"{view.warned} with a warning"] if view.warned else []
    print(f"Of {count_of(view.total, 'channel')}: {', '.join(parts)}.")
    for reason in view.reasons:
        print(f"  {reason.verdict.lower()} {reason.code}: {reason.channels}")
    if found:
        rows = [
            (item.channel, item.title, item.verdict.lower(), item.code, item.detail, format_time(item.at))
            for item in found
        ]
        print_table(("channel", "title", "", "reason", "detail", "time"), rows)
    left = sum(reason.channels for reason in view.reasons) - len(found)
    if left > 0:
        print(f"and {left} more; the API and the console list all of them")
    if view.failing and view.ready:
        print(f"Next: vestnik campaign start --skip-failing {view.campaign_id}")
