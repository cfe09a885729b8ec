"""What a lane keeps in memory of the campaigns that it delivers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vestnik.db.ledger import ClaimedJob, RunningCampaign
from vestnik.delivery.contents import CampaignContent
from vestnik.domain.ids import CampaignId
from vestnik.domain.media import MediaFile

CURSOR_RESET_AFTER = 3.0
"""Seconds after which a claim that found too little looks at the rows again that earlier ones passed over: a held
channel gives no sign when its hold ends. While claims find enough, no row is looked at twice."""
REST_PER_PART = 0.2
"""The same for each part that was passed over: what cannot be claimed is looked at a twentieth of the time."""
DRY_FOR = 1.0
SWEEP_AFTER = 2.0
"""Least seconds between two looks for jobs that no claim would take; each reads all that is queued."""
SWEEP_SHARE = 20.0
"""A look that took a second is repeated no sooner than after so many."""


@dataclass(slots=True, kw_only=True)
class LaneCampaign:
    """A running campaign. Instants are seconds of the engine's clock."""

    campaign_id: CampaignId
    content: CampaignContent
    retry_limit: int
    rate: float
    revision: int
    """Changes whenever a person changes the campaign; its content may be another one then."""
    queued: int
    is_expanded: bool
    has_files: bool = True
    """Whatever it posts beside text has been uploaded; nothing is claimed before."""
    needs_peers: bool = True
    """Addresses of its channels are still to be looked for; those that are known are claimed meanwhile."""
    needs_sweep: bool = False
    sweep_from: float = 0.0
    """The next look for jobs that no claim would take is not made before."""
    cursor: int = 0
    cursor_reset_at: float = 0.0
    passed_over: int = 0
    """Parts of the queue that had too little since the cursor was reset."""
    starts_over: bool = False
    """Rows that were passed over may be claimable: the cursor is reset as soon as that is not too often."""
    dry_until: float = 0.0
    """A claim found nothing due; the next one is made then."""

    def is_claimable(self, now: float) -> bool:
        """Whether a claim could find something."""
        return self.queued > 0 and now >= self.dry_until and self.has_files

    def note_claim(
        self, wanted: int, claimed: list[ClaimedJob], now: float, looked_to: int | None = None
    ) -> None:
        """Advance the cursor behind what was claimed; rest for a while if there was less than wanted.

        With `looked_to` there is more behind that id, where the next claim looks, at once.
        """
        self.queued = max(self.queued - len(claimed), 0)
        self.cursor = max([self.cursor, *(job.job_id for job in claimed if job.is_fresh)])
        rest = CURSOR_RESET_AFTER
        if len(claimed) >= wanted:
            if self.starts_over and now - self.cursor_reset_at > rest:
                self.start_over(now)
            return
        if looked_to is not None:
            self.cursor = max(self.cursor, looked_to)
            self.passed_over += 1
            return
        self.needs_sweep = self.queued > 0 and now >= self.sweep_from
        if not self.starts_over:
            rest += REST_PER_PART * self.passed_over
        if now - self.cursor_reset_at > rest:
            self.start_over(now)
        self.dry_until = now + DRY_FOR

    def note_swept(self, began_at: float, now: float) -> None:
        """A look for jobs that no claim would take is done; the longer it took, the longer until the next."""
        self.needs_sweep = False
        self.sweep_from = now + max(SWEEP_AFTER, SWEEP_SHARE * (now - began_at))

    def note_returned(self, count: int) -> None:
        """Jobs went back to the queue."""
        self.queued += count
        self.dry_until = 0.0

    def note_peers_changed(self, now: float) -> None:
        """Fresh rows that were passed over may be claimable now. A look through many parts comes to its end first:
        channels become known one a second, and the last part has its turn."""
        if self.passed_over == 0:
            self.start_over(now)
        else:
            self.starts_over = True

    def start_over(self, now: float) -> None:
        """Look at fresh rows that were passed over again."""
        self.cursor = 0
        self.cursor_reset_at = now
        self.passed_over = 0
        self.starts_over = False
        self.dry_until = 0.0

    def update(self, running: RunningCampaign, now: float, *, counted_at_rest: bool) -> bool:
        """Take over what the database says; whether the rate changed.

        Beside a claim the number of queued jobs may be counted before it or after it. Then the larger one is kept:
        one claim too many costs nothing, while "nothing is left" would stop the campaign until the next look.
        """
        changed = self.rate != running.rate
        self.revision = running.revision
        self.retry_limit = running.retry_limit
        self.rate = running.rate
        self.queued = running.queued if counted_at_rest else max(self.queued, running.queued)
        self.needs_peers |= running.is_expanded and not self.is_expanded
        self.is_expanded = running.is_expanded
        if running.is_expanded and running.queued == 0 and running.sending == 0:
            self.needs_sweep = True
        if running.next_return_in is not None:
            due_at = now + max(running.next_return_in.total_seconds(), 0.02)
            self.dry_until = min(self.dry_until, due_at)
        return changed


class CampaignBook(dict[CampaignId, LaneCampaign]):
    """The running campaigns of an account by their ids."""

    @property
    def needy(self) -> list[LaneCampaign]:
        """Those that something has to be done for beside sending."""
        return [
            campaign
            for campaign in self.values()
            if campaign.needs_sweep or campaign.needs_peers or not campaign.is_expanded
        ]

    def list_files(self) -> Iterator[MediaFile]:
        """What they post beside text."""
        for campaign in self.values():
            yield from campaign.content.frozen.files

    def list_users(self, file: MediaFile) -> list[LaneCampaign]:
        """Those that post a file."""
        return [campaign for campaign in self.values() if file in campaign.content.frozen.files]

    def note_returned(self, counts: Iterable[tuple[CampaignId, int]]) -> None:
        """Jobs went back to the queue."""
        for campaign_id, count in counts:
            if (campaign := self.get(campaign_id)) is not None:
                campaign.note_returned(count)

    def note_peers_changed(self, now: float) -> None:
        """What no claim would take a moment ago may be due."""
        for campaign in self.values():
            campaign.note_peers_changed(now)
