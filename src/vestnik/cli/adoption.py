"""`vestnik db adopt`: take over the database of the predecessor, or give it back."""

from collections.abc import Sequence
from typing import Annotated

import typer

from vestnik.cli.context import identify_actor
from vestnik.cli.db import open_url
from vestnik.cli.output import JsonOption, count_of, print_json, print_note, print_table, print_warning
from vestnik.cli.typing_in import confirm
from vestnik.domain.adoption import AdoptedTable, Adoption, OldQueue, RateUnit, UndoneAdoption

_SHOWN = 20
_CHANGES = {
    "ROLE_UNKNOWN": "a role that is not known became VIEWER",
    "PASSWORD_TO_SET": "the password cannot be taken over; set a new one: vestnik user password EMAIL",
    "ADDRESS_READ": "the address was read from another spelling (@name, a link, an id)",
    "RENAMED": "the name was missing or there twice; the old id stands behind it",
    "CHANNEL_MERGED": "it referred to a second row of a channel, and refers to the one that stands",
    "BRACES_DOUBLED": "{ and } were doubled, as they stand for variables here",
    "MEDIA_TYPE_GUESSED": "the type of the file was told from its address",
    "MEDIA_WITHOUT_ADDRESS": "a type of file without an address was left out",
    "MARKUP_UNKNOWN": "a parse mode that is not known; it is plain text now",
    "MARKUP_TO_PLAIN_TEXT": "its markup cannot be read here; it is plain text now",
    "CONTENT_CANNOT_BE_POSTED": "it cannot be posted as it is (empty, too long, a wrong address of its file)",
    "RUNNING_TO_PAUSED": "RUNNING became PAUSED",
    "BEGUN_TO_PAUSED": "posts were out already, so it is PAUSED",
    "NOTHING_TO_SEND_TO_DRAFT": "it had no messages, so it is a DRAFT",
    "NO_TIME_TO_DRAFT": "SCHEDULED without a time became DRAFT",
    "STAYS_SCHEDULED": "it starts by itself at its time; vestnik campaign unschedule CAMPAIGN if it should not",
    "STATUS_UNKNOWN": "a status that is not known",
    "MODE_UNKNOWN_TO_TEST": "a mode that is not known became TEST, which posts nothing in Telegram",
    "RATE_DIVIDED": "delivery_rate was per minute and is per second now",
    "RATE_UNKNOWN": "no rate; it has the usual 20 a minute (20 a second with --rate-unit second)",
    "RATE_LIMITED": "a rate beyond what is possible was cut",
    "SENDING_TO_UNKNOWN_OUTCOME": "SENDING became FAILED / UNKNOWN_OUTCOME: nobody knows whether it was posted",
    "QUEUED_WITH_A_TIME_OF_POSTING": "QUEUED with a time of posting became FAILED / UNKNOWN_OUTCOME",
    "FAILED_WITH_A_TIME_OF_POSTING": "FAILED with a time of posting became FAILED / UNKNOWN_OUTCOME",
    "QUEUED_OF_AN_ENDED_CAMPAIGN": "QUEUED in a campaign that has ended became CANCELLED",
    "DETAILS_LEFT_OUT": "details that may hold a secret were left out; the old table has them",
}
_REASONS = {
    "NO_ID": "it has no id",
    "ID_TOO_LONG": "its id has more than 200 characters",
    "DUPLICATE_ID": "an earlier row has the same id",
    "NO_EMAIL": "it has no e-mail address",
    "DUPLICATE_EMAIL": "an earlier user has the same e-mail address",
    "NO_ADDRESS": "neither a username nor an id of a channel can be read from it",
    "DUPLICATE_CHANNEL": "another row is the same channel",
    "DUPLICATE_MEMBER": "the channel is in the batch already",
    "NO_BATCH": "its batch is not there",
    "NO_TEMPLATE": "its template is not there",
    "NO_CAMPAIGN": "its campaign is not there",
    "NO_CHANNEL": "its channel is not there",
    "DUPLICATE_JOB": "the campaign has a message for this channel already",
    "NOT_STARTED": "its campaign has not begun; the start makes its messages from the batch",
}


def adopt(  # noqa: PLR0917 - Typer passes them by name
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    rate_unit: Annotated[
        RateUnit,
        typer.Option(
            "--rate-unit", help="What delivery_rate counts there: messages per second or per minute."
        ),
    ] = RateUnit.MINUTE,
    undo: Annotated[bool, typer.Option("--undo", help="Give the old tables back as they were.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take over a database that holds the predecessor's tables; safe to repeat.

    The old tables stay whole in the schema predecessor. Nothing goes on by itself: campaigns that ran are paused.
    Stop the old worker and the old API first. --undo is possible until the first campaign was started here.
    """
    if undo:
        _undo(context, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    from vestnik.db.adoption.storing import adopt_database, preview_adoption

    with open_url(context) as url:
        adoption = (
            preview_adoption(url, rate_unit) if dry_run else adopt_database(url, identify_actor(), rate_unit)
        )
    if as_json:
        print_json(
            {"dry_run": dry_run, "changed": adoption is not None and not dry_run, "adoption": adoption}
        )
    elif adoption is None:
        print("The database has Vestnik's own schema; nothing to take over.")
    else:
        _print_adoption(adoption, is_done=not dry_run)


def _undo(context: typer.Context, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from vestnik.db.adoption.undoing import preview_undo, undo_adoption

    with open_url(context) as url:
        undone = preview_undo(url)
        if not dry_run:
            lost = f" {_list_lost(undone)} made here since will be lost." if undone.lost else ""
            confirm(f"Drop Vestnik's tables and give the predecessor's back?{lost}", yes=yes)
            undone = undo_adoption(url)
    if as_json:
        print_json({"dry_run": dry_run, "changed": not dry_run, "undone": undone})
        return
    would = "would be " if dry_run else "are "
    print(f"{count_of(len(undone.tables), 'table')} {would}back as before: {', '.join(undone.tables)}.")
    if undone.lost:
        print(f"Made here since, and {'to be ' if dry_run else ''}lost: {_list_lost(undone)}.")


def _list_lost(undone: UndoneAdoption) -> str:
    return ", ".join(f"{number} {name}" for name, number in undone.lost.items())


def _print_adoption(adoption: Adoption, *, is_done: bool) -> None:
    print("Taken over from the predecessor:" if is_done else "What would be taken over, nothing was changed:")
    print_table(
        ("table", "rows", "taken over", "refused"),
        [(found.table, found.rows, found.adopted, sum(found.rejected.values())) for found in adoption.tables],
    )
    _print_kinds("Changed on the way:", adoption.tables, "changes", _CHANGES)
    _print_kinds("Refused, and kept unchanged in legacy_rejects:", adoption.tables, "rejected", _REASONS)
    _print_rejected(adoption)
    known = {found.table for found in adoption.tables}
    others = [name for name in adoption.moved if name not in known]
    if others:
        print_note(
            f"tables with names of ours that are not the predecessor's are kept beside: {', '.join(others)}"
        )
    if adoption.queue is not None:
        _print_queue(adoption.queue)
    for step in _list_steps(adoption, is_done=is_done):
        print(f"Next: {step}")


def _print_kinds(title: str, tables: Sequence[AdoptedTable], what: str, words: dict[str, str]) -> None:
    lines = [
        f"  {found.table}: {number} x {kind}: {words[kind]}"
        for found in tables
        for kind, number in getattr(found, what).items()
    ]
    if lines:
        print(title)
        print("\n".join(lines))


def _print_rejected(adoption: Adoption) -> None:
    for row in adoption.rejected[:_SHOWN]:
        print(f"    {row.table} {row.legacy_id or '(without an id)'}: {row.reason}")
    if adoption.total_rejected > _SHOWN:
        print(f"    and {adoption.total_rejected - _SHOWN} more; --json lists more, legacy_rejects has all")


def _print_queue(queue: OldQueue) -> None:
    if queue.is_active:
        print_warning("the predecessor's worker runs; stop it and its API before you take the tables over")
    waiting = count_of(queue.open_jobs, "message")
    print(f"The predecessor's queue (schema pgboss) stays as it is; {waiting} in it wait.")
    if queue.open_jobs:
        print_warning(
            "an old worker that is started by mistake would post them, whatever was taken over; "
            "DROP SCHEMA pgboss CASCADE removes them"
        )


def _list_steps(adoption: Adoption, *, is_done: bool) -> list[str]:
    if not is_done:
        return ["stop the old worker and the old API, then: vestnik db adopt"]
    steps = []
    if adoption.needs_account:
        steps.append(
            "LIVE campaigns post as the account 'default', which has no session yet: set TELEGRAM_SESSION, "
            "TELEGRAM_API_ID and TELEGRAM_API_HASH as before, or vestnik account login default"
        )
    steps.append(
        "results of campaigns that ended more than JOB_RETENTION_DAYS (7) ago are deleted by the first worker; "
        "set it to 0 to keep them"
    )
    steps.append("vestnik campaign list, and vestnik campaign resume CAMPAIGN for each that is to go on")
    return steps
