"""What would become of a campaign's post in one channel, told before anything is posted. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vestnik.domain.media import MediaType
from vestnik.domain.outcomes import CONTENT_UNRENDERABLE
from vestnik.domain.rights import find_forbidden
from vestnik.domain.states import PreflightVerdict

LASTS: Final = timedelta(hours=24)
"""After that rights may be others, and a start leaves nothing out because of it."""
CHANNEL_INACTIVE: Final = "CHANNEL_INACTIVE"
CHANNEL_GONE: Final = "CHANNEL_GONE"
SAME_CONTENT: Final = "SAME_CONTENT"
SKIPPED_BY_PREFLIGHT: Final = "SKIPPED_BY_PREFLIGHT"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelFacts:
    """All that is known of a channel and of the account in it; times are those of the database."""

    is_active: bool
    inactive_reason: str | None
    """Of the channel, or else of the pair of account and channel."""
    is_twin: bool
    """An entry before it leads to the same Telegram channel."""
    is_found: bool
    can_post: bool | None
    forbidden: Sequence[str]
    gone_since: datetime | None
    hold_until: datetime | None
    slow_mode: timedelta | None
    last_post_at: datetime | None
    """Of this account in this channel; told only where there is a slow mode."""
    same_content_at: datetime | None
    same_content_campaign: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is to be said of a channel; `at` and `detail` say more about the code."""

    verdict: PreflightVerdict
    code: str
    detail: str | None = None
    at: datetime | None = None


def judge_channel(
    facts: ChannelFacts,
    *,
    media: Sequence[MediaType],
    content_problem: str | None,
    obstacle: str | None,
    turn_at: datetime,
) -> Finding | None:
    """The first thing that stands against the post, or else that is worth knowing; None: it is ready.

    `content_problem` says why the post cannot be made for it, `obstacle` what keeps names from being looked up,
    `turn_at` when it would be posted.
    """
    return (
        _find_lasting(facts, content_problem)
        or _find_unknown(facts, obstacle)
        or _find_missing_right(facts, media)
        or _find_slowness(facts, turn_at)
        or _find_repetition(facts)
    )


def _fail(code: str, detail: str | None = None, at: datetime | None = None) -> Finding:
    return Finding(verdict=PreflightVerdict.FAILS, code=code, detail=detail, at=at)


def _find_lasting(facts: ChannelFacts, content_problem: str | None) -> Finding | None:
    if not facts.is_active:
        return _fail(facts.inactive_reason or CHANNEL_INACTIVE)
    if facts.is_twin:
        return _fail("DUPLICATE_CHANNEL")
    if content_problem is not None:
        return _fail(CONTENT_UNRENDERABLE, content_problem)
    return None


def _find_unknown(facts: ChannelFacts, obstacle: str | None) -> Finding | None:
    if facts.is_found:
        return None
    return Finding(verdict=PreflightVerdict.WAITS, code=obstacle or "CHANNEL_UNRESOLVED")


def _find_missing_right(facts: ChannelFacts, media: Sequence[MediaType]) -> Finding | None:
    if facts.gone_since is not None:
        return _fail(CHANNEL_GONE, at=facts.gone_since)
    if facts.can_post is False:
        return _fail("CHAT_WRITE_FORBIDDEN")
    error = find_forbidden(media, facts.forbidden)
    return None if error is None else _fail(error)


def _find_slowness(facts: ChannelFacts, turn_at: datetime) -> Finding | None:
    """A campaign posts once in a channel, so its slow mode matters only after an earlier post."""
    free_at = facts.hold_until
    if facts.slow_mode is not None and facts.last_post_at is not None:
        after_last = facts.last_post_at + facts.slow_mode
        free_at = after_last if free_at is None else max(free_at, after_last)
    if free_at is None or free_at <= turn_at:
        return None
    return Finding(verdict=PreflightVerdict.WARNS, code="SLOWMODE_WAIT", at=free_at)


def _find_repetition(facts: ChannelFacts) -> Finding | None:
    if facts.same_content_at is None:
        return None
    return Finding(
        verdict=PreflightVerdict.WARNS,
        code=SAME_CONTENT,
        detail=facts.same_content_campaign,
        at=facts.same_content_at,
    )
