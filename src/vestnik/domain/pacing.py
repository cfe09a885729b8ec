"""When the next post may go: exact spacing per campaign and per account, shared in proportion. Pure.

Instants are seconds of one monotonic clock. A pacer is a generic cell rate algorithm in its spacing form: each
post moves the next slot by one interval. A launch that is late by up to TOLERANCE does not move the schedule;
lateness beyond that does, because catching up would be a burst (after a 300 ms stall at 200/s, 61 extra posts
in one second). After a gap, because nobody was sending or nothing was to be sent, the first post begins an even
row of slots. Rates are messages per second: an album of n files is n messages for Telegram, so it takes n
intervals.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from vestnik.domain.ids import CampaignId

TOLERANCE = 0.025
GAP = 0.1
"""Seconds of lateness beyond what is tolerated that are no lateness any more: nothing went out meanwhile."""


@dataclass(slots=True)
class Pacer:
    """One stream of messages at most `rate` per second, evenly spaced."""

    rate: float
    next_slot: float
    tolerance: float = TOLERANCE
    size: int = 1
    """Messages of the post that went out last."""

    def take(self, at: float, *, grace: float = 0.0, size: int = 1, after_gap: bool = False) -> None:
        """A post went out at `at` (not before `next_slot`); `grace` is lateness that was not its own.

        After a gap there was no lateness at all: the next one goes a whole interval later.
        """
        latest = at if after_gap else at - self.tolerance - grace
        self.next_slot = max(self.next_slot, latest) + size / self.rate
        self.size = size

    def change_rate(self, rate: float, now: float) -> None:
        """From now on at another rate: the wait that is left shrinks or grows in proportion."""
        if rate != self.rate:
            remaining = max(self.next_slot - now, 0.0)
            self.next_slot = now + min(remaining * self.rate / rate, self.size / rate)
            self.rate = rate


def _is_gap(slot: float, at: float) -> bool:
    """Whether a post at `at` could have gone so much earlier that nothing was being sent.

    The slot is that of campaign and account: waiting for the account's turn is no gap, or a busy account's shares
    would shift towards its slow campaigns.
    """
    return at - slot > TOLERANCE + GAP


@dataclass(slots=True)
class _Share:
    """A campaign's pacer and how much of the account it has had, in seconds of its own rate.

    What it left unused while it had nothing due is not owed to it: `used` never lags behind what the schedule
    has served the others (start-time fair queueing).
    """

    pacer: Pacer
    """Of its posts: as many a second as its rate has messages for."""
    used: float
    size: int = 1
    """Messages of each of its posts."""
    is_new: bool = True
    """Nothing of it has gone out here yet: its slot was made up, or an earlier holder's."""
    displaced: float = 0.0
    """Seconds that commands of the account have taken from the next post."""

    @property
    def grace(self) -> float:
        """Waiting for commands is not lateness of one's own; with all else at most one post is caught up."""
        return max(min(self.displaced, TOLERANCE + 1.0 / self.pacer.rate - self.pacer.tolerance), 0.0)


class Schedule:
    """The slots of one account among its campaigns.

    No campaign exceeds its own rate, all together never the account's. When they ask for more than the account
    has, each gets a part in proportion to its rate. A campaign with nothing due takes no part, so it never
    holds up another.
    """

    def __init__(self, rate: float, next_slot: float) -> None:
        self._account = Pacer(rate, next_slot)
        self._shares: dict[CampaignId, _Share] = {}
        self._served = 0.0
        """How much the campaign served last had had before; who comes (back) begins there."""

    def __contains__(self, campaign_id: CampaignId) -> bool:
        return campaign_id in self._shares

    def set_rate(self, rate: float, now: float) -> None:
        """Change the account's rate."""
        self._account.change_rate(rate, now)

    def put_campaign(
        self, campaign_id: CampaignId, rate: float, *, now: float, first_slot: float, size: int = 1
    ) -> None:
        """Add a campaign whose posts have `size` messages each, or change the rate and size of one that is there
        (`first_slot` then means nothing).
        """
        share = self._shares.get(campaign_id)
        if share is None:
            self._shares[campaign_id] = _Share(Pacer(rate / size, first_slot), self._served, size)
        else:
            share.pacer.change_rate(rate / size, now)
            share.size = size
        self._widen_tolerances()

    def keep_campaigns(self, campaign_ids: Collection[CampaignId]) -> None:
        """Forget all other campaigns."""
        self._shares = {key: share for key, share in self._shares.items() if key in campaign_ids}
        self._widen_tolerances()

    def hold_until(self, instant: float) -> None:
        """Nothing goes before `instant`, whoever's it is."""
        self._account.next_slot = max(self._account.next_slot, instant)

    def slot_of(self, campaign_id: CampaignId) -> float:
        """The instant from which the campaign's next post may go."""
        return max(self._account.next_slot, self._shares[campaign_id].pacer.next_slot)

    @property
    def command_slot(self) -> float:
        """The instant from which a command of the account may go: its next slot, whoever's turn it is."""
        return self._account.next_slot

    def launched_command(self, at: float, size: int = 1) -> None:
        """A command of `size` messages went out at `at`: it takes as many slots; all campaigns move on alike."""
        self._account.take(at, size=size, after_gap=_is_gap(self._account.next_slot, at))
        for share in self._shares.values():
            share.displaced += size / self._account.rate

    def launched(self, campaign_id: CampaignId, at: float) -> None:
        """A post of the campaign went out at `at`."""
        share = self._shares[campaign_id]
        after_gap = _is_gap(self.slot_of(campaign_id), at)
        self._account.take(at, size=share.size, after_gap=after_gap)
        share.pacer.take(at, grace=share.grace, after_gap=after_gap or share.is_new)
        share.is_new = False
        share.displaced = 0.0
        self._served = max(self._served, share.used)
        share.used = self._served + 1.0 / share.pacer.rate

    def plan(
        self,
        now: float,
        *,
        lead: float,
        window: float,
        pending: Iterable[CampaignId],
        active: Collection[CampaignId],
        commands: int = 0,
    ) -> "Plan":
        """Whose the next slots are, after those given to so many messages of `commands` and to `pending`.

        Slots are given out once the first of them is at most `lead` seconds away, and then for `window` seconds.
        Only campaigns in `active` get any. Changes nothing here: slots are taken when posts are launched.
        """
        future = Schedule(self._account.rate, self._account.next_slot)
        future._served = self._served
        future._shares = {
            key: replace(share, pacer=replace(share.pacer)) for key, share in self._shares.items()
        }
        for _ in range(commands):
            future.launched_command(max(now, future.command_slot))
        for campaign_id in pending:
            if campaign_id in future._shares:
                future.launched(campaign_id, max(now, future.slot_of(campaign_id)))
        candidates = [campaign_id for campaign_id in active if campaign_id in future._shares]
        first_slot = min((max(now, future.slot_of(key)) for key in candidates), default=None)
        order: list[CampaignId] = []
        if first_slot is not None and first_slot <= now + lead:
            order = future._give_out(now, first_slot + window, candidates)
        return Plan(
            order=order,
            account_next_slot=future._account.next_slot,
            next_slots={key: share.pacer.next_slot for key, share in future._shares.items()},
            first_slot=first_slot,
        )

    def _give_out(self, now: float, until: float, candidates: list[CampaignId]) -> list[CampaignId]:
        order: list[CampaignId] = []
        while True:
            campaign_id = self._choose(now, candidates)
            at = max(now, self.slot_of(campaign_id))
            if at >= until:
                return order
            order.append(campaign_id)
            self.launched(campaign_id, at)

    def _choose(self, now: float, candidates: list[CampaignId]) -> CampaignId:
        """The campaign that may go first; of those that could go at once, the one that had least so far."""
        ready_at = max(now, self._account.next_slot)
        return min(
            candidates,
            key=lambda key: (
                max(self._shares[key].pacer.next_slot, ready_at),
                self._shares[key].used,
                key.int,
            ),
        )

    def _widen_tolerances(self) -> None:
        """Waiting for a turn among the account's campaigns is not lateness of one's own.

        A turn comes within one interval of the account for each campaign; at most one own interval of it may be
        caught up, which is one post.
        """
        several = len(self._shares) > 1
        messages = sum(share.size for share in self._shares.values())
        for share in self._shares.values():
            turn = messages / self._account.rate if several else 0.0
            share.pacer.tolerance = TOLERANCE + min(turn, 1.0 / share.pacer.rate)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Slots given out in advance, and the state of all pacers after them. Instants as in the schedule."""

    order: list[CampaignId]
    account_next_slot: float
    next_slots: dict[CampaignId, float]
    first_slot: float | None
    """The earliest slot of an active campaign that was free before this plan; None without such a campaign."""
