"""Preflights: finding out, without posting, what would become of a campaign in each of its channels."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from vestnik.content import FrozenContent, Values
from vestnik.db.preflights import MemberFacts, PreflightLedger, PreflightPlan
from vestnik.delivery.clock import read_clock
from vestnik.delivery.surveys import Survey
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import ChannelId
from vestnik.domain.media import MediaType
from vestnik.domain.preflights import Finding, judge_channel
from vestnik.domain.states import PreflightVerdict

LOOK_EVERY: Final = 0.25
LONGEST_SEARCH: Final = timedelta(minutes=10)
"""What has no address by then is reported as not found out."""
LONGEST_DETAIL: Final = 300
CONTENT_ERROR: Final = "CONTENT_ERROR"
CAMPAIGN_GONE: Final = "CAMPAIGN_GONE"


async def check_campaign(survey: Survey) -> dict[str, Any]:
    """What was found, in numbers. Raises Interrupted, TransportError, DatabaseUnavailableError."""
    ledger = PreflightLedger(survey.ledger)
    try:
        plan = await ledger.read_plan(survey.claimed.command_id)
    except InvalidInputError as exc:
        return {"error_code": CONTENT_ERROR, "error_message": exc.message}
    if plan is None:
        return {"error_code": CAMPAIGN_GONE}
    if not await survey.finder.read_dialogs(survey.claimed.at) and survey.finder.obstacle is None:
        survey.require_transport()  # if that is why, it begins anew
    await _find_addresses(survey, ledger)
    same_content = await ledger.list_same_content(plan)
    judge = _Judge(plan, survey.finder.obstacle, survey)
    after, counts, total = 0, Counter[PreflightVerdict](), 0
    while page := await ledger.list_page(plan, after, same_content):
        findings = judge.judge(page)
        await ledger.store_findings(survey.claimed.command_id, findings)
        counts.update(finding.verdict for finding in findings.values())
        total += len(page)
        after = page[-1].position
        await survey.note({"phase": "CHANNELS", "checked": total})
    await ledger.finish(survey.claimed.command_id, total, counts)
    return {"total": total} | {verdict.value.lower(): count for verdict, count in counts.items()}


async def _find_addresses(survey: Survey, ledger: PreflightLedger) -> None:
    """Have what is missing looked for, as for a running campaign: within its pace and the budget of the day."""
    deadline = read_clock() + LONGEST_SEARCH.total_seconds()
    while read_clock() < deadline:
        missing = await ledger.count_unresolved(survey.claimed.command_id)
        if not missing or survey.finder.obstacle is not None:
            return
        survey.require_transport()
        survey.finder.ask()
        await survey.note({"phase": "ADDRESSES", "missing": missing})
        await asyncio.sleep(LOOK_EVERY)


class _Judge:
    """Goes through the channels in their order and so knows when each would have its turn."""

    def __init__(self, plan: PreflightPlan, obstacle: str | None, survey: Survey) -> None:
        self._plan = plan
        self._obstacle = obstacle
        self._zone = survey.options.zone
        self._posts = 0
        self._problem_of_all = None if plan.content.is_personal else _find_content_problem(plan.content, None)

    def judge(self, page: Sequence[MemberFacts]) -> dict[tuple[ChannelId, int], Finding]:
        """What is to be said of some channels."""
        found: dict[tuple[ChannelId, int], Finding] = {}
        for member in page:
            turn_at = member.read_at + timedelta(seconds=self._posts / self._plan.rate)
            finding = judge_channel(
                member.facts,
                media=_list_media(self._plan.content),
                content_problem=self._check_content(member),
                obstacle=self._obstacle,
                turn_at=turn_at,
            )
            if finding is None or finding.verdict is not PreflightVerdict.FAILS:
                self._posts += 1
            if finding is not None:
                found[member.channel_id, member.position] = finding
        return found

    def _check_content(self, member: MemberFacts) -> str | None:
        if not self._plan.content.is_personal:
            return self._problem_of_all
        values = Values(
            channel_title=member.title,
            channel_username=member.username,
            at=member.read_at.astimezone(self._zone),
        )
        return _find_content_problem(self._plan.content, values)


def _find_content_problem(content: FrozenContent, values: Values | None) -> str | None:
    try:
        content.check(values)
    except InvalidInputError as exc:
        return exc.message[:LONGEST_DETAIL]
    return None


def _list_media(content: FrozenContent) -> list[MediaType]:
    kinds = [file.kind for file in content.files]
    if content.address is not None and content.address.kind is not None:
        kinds.append(content.address.kind)
    return kinds
