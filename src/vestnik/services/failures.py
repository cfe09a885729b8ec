"""Why messages of the campaigns of the day failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import failures as rows
from vestnik.db.failures import CampaignFailures

__all__ = ["CampaignFailures", "FailureReason", "list_recent_failures"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureReason:
    """An error code with the campaigns in which it came up, the one with the most first."""

    code: str
    campaigns: Sequence[CampaignFailures]

    @property
    def count(self) -> int:
        """Messages."""
        return sum(campaign.count for campaign in self.campaigns)


async def list_recent_failures(session: AsyncSession) -> list[FailureReason]:
    """The most frequent first, of campaigns that run, pause or ended within a day."""
    by_code: dict[str, list[CampaignFailures]] = {}
    for found in await rows.count_recent_failures(session):
        by_code.setdefault(found.code, []).append(found)
    reasons = [FailureReason(code=code, campaigns=campaigns) for code, campaigns in by_code.items()]
    return sorted(reasons, key=lambda reason: (-reason.count, reason.code))
