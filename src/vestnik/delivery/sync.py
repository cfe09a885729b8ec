"""Sync: our channels brought up to what an account's dialogs show, and those added that it may post in.

All dialogs are read before anything is stored: only the whole of them tells which channel got whose name, and
which are gone. Interrupted anywhere, it begins anew and finds done what is done.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from vestnik.db.audit import record_audit
from vestnik.db.engine import open_session
from vestnik.db.sync import CHUNK, SyncCounts, store_listed
from vestnik.delivery.clock import read_clock
from vestnik.delivery.peers import LOOKUPS_HELD, REST_AFTER_PAGE, as_peer
from vestnik.delivery.surveys import Interrupted, Survey
from vestnik.domain.actors import Actor
from vestnik.domain.surveys import DETAILS_FRESH_FOR, SyncPhase, SyncReport
from vestnik.domain.transport import ErrorClass, KnownChannel, TransportError

log = structlog.get_logger()

MOST_DETAILS: Final = 500
"""Channels that one sync asks details of; the next one goes on with the others."""
_OF_THE_CHANNEL: Final = frozenset({
    ErrorClass.CHANNEL, ErrorClass.CHANNEL_FOR_ALL, ErrorClass.CHANNEL_BANNED, ErrorClass.REFRESH_PEER,
    ErrorClass.REJECTED,
})  # fmt: skip


async def synchronize(survey: Survey) -> dict[str, Any]:
    """The report, for storing. Raises Interrupted, TransportError, DatabaseUnavailableError."""
    channels = await _read_dialogs(survey)
    report = await _store(survey, channels)
    gone = await survey.surveys.mark_gone(survey.lease, [known.peer.tg_id for known in channels])
    report = replace(report, gone=gone, phase=SyncPhase.DETAILS)
    await survey.note(report.to_json())
    async with open_session(survey.ledger.engine) as session:
        counts = {name: value for name, value in report.to_json().items() if isinstance(value, int)}
        after = {name: value for name, value in counts.items() if not name.startswith("details")}
        account_id = survey.lease.account_id
        await record_audit(
            session, Actor.system("engine"), "account.synced", "account", account_id, after=after
        )
    report = await _ask_details(survey, report)
    return replace(report, phase=SyncPhase.DONE).to_json()


async def _read_dialogs(survey: Survey) -> list[KnownChannel]:
    """Each channel once; a page that comes twice counts with what it says last."""
    found: dict[int, KnownChannel] = {}
    async with survey.reading_dialogs() as transport:
        async for page in transport.list_channels():
            came_at = read_clock()
            found |= {known.peer.tg_id: known for known in page}
            await survey.note(SyncReport(seen=len(found)).to_json())
            await asyncio.sleep(max(came_at + REST_AFTER_PAGE - read_clock(), 0.0))
            if survey.require_transport() is not transport:
                raise Interrupted
    return list(found.values())


async def _store(survey: Survey, channels: Sequence[KnownChannel]) -> SyncReport:
    report = SyncReport(phase=SyncPhase.CHANNELS, seen=len(channels))
    for chunk in _split(channels):  # names first: what one channel has lost another may have got
        await survey.ledger.correct_names(survey.lease, [as_peer(known) for known in chunk])
    for chunk in _split(channels):
        async with open_session(survey.ledger.engine) as session:
            counts = await store_listed(session, survey.lease.account_id, chunk)
        await survey.finder.keep(chunk)
        report = _add(report, counts)
        await survey.note(report.to_json())
    return report


def _split(channels: Sequence[KnownChannel]) -> Iterator[Sequence[KnownChannel]]:
    for start in range(0, len(channels), CHUNK):
        yield channels[start : start + CHUNK]


def _add(report: SyncReport, counts: SyncCounts) -> SyncReport:
    names = SyncCounts.__dataclass_fields__
    return replace(report, **{name: getattr(report, name) + getattr(counts, name) for name in names})


async def _ask_details(survey: Survey, report: SyncReport) -> SyncReport:
    """Ask for members and slow modes, at the pace of look-ups; what stands in the way ends the sync early."""
    account_id = survey.lease.account_id
    wanted = await survey.surveys.list_undetailed(account_id, DETAILS_FRESH_FOR, MOST_DETAILS)
    report = replace(report, details_wanted=len(wanted))
    try:
        for number, channel in enumerate(wanted, start=1):
            if number > 1:
                await asyncio.sleep(survey.options.resolve_interval.total_seconds())
            if survey.finder.obstacle == LOOKUPS_HELD:
                break
            details = None
            try:
                details = await survey.require_transport().read_details(channel.peer)
            except TransportError as error:
                if error.error_class not in _OF_THE_CHANNEL:
                    survey.finder.report(error)
                    break
            await survey.surveys.store_details(account_id, channel.channel_id, details)
            report = replace(report, details=number)
            await survey.note(report.to_json())
    except Interrupted:
        log.info("sync.details_left", count=report.details_wanted - report.details)
    return report
