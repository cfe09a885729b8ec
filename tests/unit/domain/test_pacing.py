"""The pacer over simulated time: no burst whatever happens, and no slot lost without a reason."""

from collections import Counter
from collections.abc import Callable, Collection
from copy import deepcopy
from itertools import accumulate, pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.ids import CampaignId
from vestnik.domain.pacing import TOLERANCE, Pacer, Schedule

A, B, C = (CampaignId(UUID(int=number)) for number in (1, 2, 3))
NEVER = float("inf")

Launch = tuple[float, CampaignId]

RATES = st.sampled_from([0.33, 1.0, 3.0, 7.5, 20.0, 50.0, 200.0])
LATENESS = st.lists(
    st.one_of(st.just(0.0), st.floats(0.0, 0.1), st.sampled_from([0.3, 1.0, 5.0])), min_size=1, max_size=40
)
PUNCTUAL = st.lists(st.floats(0.0, TOLERANCE), min_size=1, max_size=40)


def make_schedule(account_rate: float, **rates: float) -> Schedule:
    """A schedule at instant 0 with campaigns named A, B, C."""
    schedule = Schedule(account_rate, 0.0)
    for name, rate in rates.items():
        schedule.put_campaign({"a": A, "b": B, "c": C}[name], rate, now=0.0, first_slot=0.0)
    return schedule


def launch(
    schedule: Schedule,
    *,
    active: Collection[CampaignId],
    start: float = 0.0,
    until: float = NEVER,
    posts: int = 500,
    lateness: Callable[[int], float] = lambda _: 0.0,
) -> list[Launch]:
    """Launch whatever is due, the n-th `lateness(n)` seconds after its slot, and take a stall as it comes."""
    launched: list[Launch] = []
    now = start
    for number in range(posts):
        plan = schedule.plan(now, lead=NEVER, window=1e-6, pending=(), active=active)
        if not plan.order or plan.first_slot is None or plan.first_slot >= until:
            break
        (campaign_id,) = plan.order[:1]
        now = max(now, schedule.slot_of(campaign_id) + lateness(number))
        schedule.launched(campaign_id, now)
        launched.append((now, campaign_id))
    return launched


def most_in_a_second(instants: list[float]) -> int:
    most = first = 0
    for last, instant in enumerate(instants):
        while instant - instants[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(rate=RATES, lateness=LATENESS)
def test_one_campaign_never_bursts_however_late_it_is(rate: float, lateness: list[float]) -> None:
    schedule = make_schedule(1000.0, a=rate)
    launched = launch(schedule, active=[A], lateness=lambda n: lateness[n % len(lateness)])
    assert most_in_a_second([at for at, _ in launched]) <= rate * 1.05 + 1


@given(rate=RATES, rates=st.lists(RATES, min_size=3, max_size=3), lateness=LATENESS)
def test_an_account_never_bursts_however_many_campaigns_it_has(
    rate: float, rates: list[float], lateness: list[float]
) -> None:
    schedule = make_schedule(rate, a=rates[0], b=rates[1], c=rates[2])
    launched = launch(schedule, active=[A, B, C], lateness=lambda n: lateness[n % len(lateness)])
    assert most_in_a_second([at for at, _ in launched]) <= rate * 1.05 + 1
    for campaign_id, own in zip([A, B, C], rates, strict=True):
        own_launches = [at for at, key in launched if key == campaign_id]
        # One more than alone: waiting for a turn among several may be caught up by one post.
        assert most_in_a_second(own_launches) <= own * 1.05 + 2


@given(rate=RATES, late=PUNCTUAL)
def test_small_lateness_costs_no_time_in_the_long_run(rate: float, late: list[float]) -> None:
    launched = launch(make_schedule(rate, a=1000.0), active=[A], lateness=lambda n: late[n % len(late)])
    assert launched[-1][0] - launched[0][0] == pytest.approx((len(launched) - 1) / rate, abs=TOLERANCE + 1e-6)


@given(rate=RATES, late=PUNCTUAL)
def test_a_campaign_slower_than_its_account_keeps_its_own_rate(rate: float, late: list[float]) -> None:
    launched = launch(make_schedule(1000.0, a=rate), active=[A], lateness=lambda n: late[n % len(late)])
    assert launched[-1][0] - launched[0][0] == pytest.approx((len(launched) - 1) / rate, abs=TOLERANCE + 1e-6)


def make_albums(account_rate: float, rate: float, size: int) -> Schedule:
    """A schedule with campaign A, whose posts are albums."""
    schedule = Schedule(account_rate, 0.0)
    schedule.put_campaign(A, rate, now=0.0, first_slot=0.0, size=size)
    return schedule


@given(
    account_rate=RATES,
    rates=st.lists(RATES, min_size=2, max_size=2),
    size=st.integers(2, 10),
    lateness=LATENESS,
)
def test_messages_of_albums_never_exceed_the_account(
    account_rate: float, rates: list[float], size: int, lateness: list[float]
) -> None:
    schedule = make_albums(account_rate, rates[0], size)
    schedule.put_campaign(B, rates[1], now=0.0, first_slot=0.0)
    launched = launch(schedule, active=[A, B], lateness=lambda n: lateness[n % len(lateness)])
    messages = [at for at, key in launched for _ in range(size if key == A else 1)]
    # The post that begins in a second is whole, and one may be caught up.
    assert most_in_a_second(messages) <= account_rate * 1.05 + 2 * size


@pytest.mark.parametrize(("account_rate", "rate", "seconds"), [(1000.0, 20.0, 25.0), (20.0, 200.0, 25.0)])
def test_an_album_takes_the_time_of_its_messages(account_rate: float, rate: float, seconds: float) -> None:
    launched = launch(make_albums(account_rate, rate, 5), active=[A], posts=101)
    assert launched[-1][0] == pytest.approx(seconds)


def test_albums_get_no_more_of_an_account_than_texts_do() -> None:
    schedule = make_albums(20.0, 20.0, 5)
    schedule.put_campaign(B, 20.0, now=0.0, first_slot=0.0)
    counted = Counter(key for _, key in launch(schedule, active=[A, B], posts=600))
    assert counted[A] * 5 == pytest.approx(counted[B], rel=0.03)


def test_an_album_that_became_a_text_goes_at_the_pace_of_a_text() -> None:
    schedule = make_albums(1000.0, 10.0, 10)
    launch(schedule, active=[A], posts=1)
    schedule.put_campaign(A, 10.0, now=0.0, first_slot=0.0)
    assert schedule.slot_of(A) <= 0.1
    assert [at for at, _ in launch(schedule, active=[A], posts=3)] == pytest.approx([0.1, 0.2, 0.3])


def test_an_album_sent_directly_takes_the_slots_of_its_messages() -> None:
    schedule = make_schedule(10.0, a=10.0)
    schedule.launched_command(0.0, 4)
    assert schedule.slot_of(A) == pytest.approx(0.4)


@pytest.mark.parametrize(("stall", "caught_up"), [(0.02, 0.02), (0.1, TOLERANCE), (0.3, 0.0)])
def test_a_stall_moves_the_schedule_instead_of_being_caught_up(stall: float, caught_up: float) -> None:
    schedule = make_schedule(200.0, a=200.0)
    stalled = launch(schedule, active=[A], posts=400, lateness=lambda n: stall if n == 200 else 0.0)
    assert stalled[-1][0] == pytest.approx(399 / 200 + stall - caught_up, abs=1e-6)


@pytest.mark.parametrize("rate", [0.33, 20.0, 200.0])
def test_the_first_post_after_a_gap_begins_an_even_row(rate: float) -> None:
    schedule = Schedule(1000.0, -86400.0)
    schedule.put_campaign(A, rate, now=0.0, first_slot=-86400.0)
    launched = [at for at, _ in launch(schedule, active=[A], start=0.023, posts=5)]
    assert launched == pytest.approx([0.023 + number / rate for number in range(5)])


@pytest.mark.parametrize(
    ("account_rate", "rates"), [(3.0, [1.0, 3.0]), (20.0, [20.0, 1.0, 1.0]), (0.33, [0.33, 0.1])]
)
@given(jitter=st.lists(st.floats(0.0, 0.005), min_size=7, max_size=40))
def test_waiting_for_a_turn_is_no_gap(account_rate: float, rates: list[float], jitter: list[float]) -> None:
    campaigns = [A, B, C][: len(rates)]
    schedule = make_schedule(account_rate, **dict(zip("abc", rates, strict=False)))
    late = launch(schedule, active=campaigns, posts=600, lateness=lambda n: jitter[n % len(jitter)])
    counts = Counter(campaign_id for _, campaign_id in late)
    for campaign_id, rate in zip(campaigns, rates, strict=True):
        assert counts[campaign_id] == pytest.approx(600 * rate / sum(rates), rel=0.03, abs=2)


def test_a_campaign_that_begins_beside_another_keeps_its_interval_from_the_first_post_on() -> None:
    schedule = make_schedule(20.0, a=20.0)
    busy = launch(schedule, active=[A], posts=100)[-1][0]
    schedule.put_campaign(B, 1.0, now=busy, first_slot=busy - 86400.0)
    launched = launch(schedule, active=[A, B], start=busy, posts=100)
    instants = [at for at, campaign_id in launched if campaign_id == B]
    gaps = [second - first for first, second in pairwise(instants)]
    assert min(gaps[:2]) >= 1.0 - 1e-9


@given(rates=st.lists(st.sampled_from([2.0, 5.0, 10.0, 20.0, 40.0]), min_size=2, max_size=3))
def test_an_overloaded_account_is_shared_in_proportion_to_the_rates(rates: list[float]) -> None:
    campaigns = [A, B, C][: len(rates)]
    account_rate = sum(rates) / 2
    schedule = make_schedule(account_rate, **dict(zip("abc", rates, strict=False)))
    launched = launch(schedule, active=campaigns, posts=1000)
    counts = Counter(key for _, key in launched)
    assert launched[-1][0] == pytest.approx(999 / account_rate, rel=0.001)
    for key, rate in zip(campaigns, rates, strict=True):
        assert counts[key] == pytest.approx(1000 * rate / sum(rates), rel=0.02, abs=2)


@given(rates=st.lists(st.sampled_from([0.5, 2.0, 5.0, 9.0]), min_size=2, max_size=3))
def test_an_account_with_room_gives_every_campaign_its_own_rate(rates: list[float]) -> None:
    campaigns = [A, B, C][: len(rates)]
    schedule = make_schedule(30.0, **dict(zip("abc", rates, strict=False)))
    launched = launch(schedule, active=campaigns, until=20.0, posts=5000)
    counts = Counter(key for _, key in launched)
    for key, rate in zip(campaigns, rates, strict=True):
        assert counts[key] == pytest.approx(20 * rate, abs=1)


def test_a_campaign_with_nothing_due_does_not_hold_up_another() -> None:
    schedule = make_schedule(20.0, a=20.0, b=0.01)
    launch(schedule, active=[B], posts=1)  # its next slot is 100 s away
    launched = launch(schedule, active=[A, B], until=10.0)
    assert len(launched) == pytest.approx(200, abs=2)


@pytest.mark.parametrize("away", [0.5, 10.0, 1000.0])
def test_a_campaign_that_comes_back_does_not_starve_the_others(away: float) -> None:
    """What it did not use while it had nothing due is not owed to it."""
    schedule = make_schedule(20.0, a=20.0, b=20.0)
    launch(schedule, active=[A, B], until=5.0)
    launch(schedule, active=[B], start=5.0, until=5.0 + away, posts=100_000)
    counts = Counter(key for _, key in launch(schedule, active=[A, B], start=5.0 + away, posts=40))
    assert counts[A] == pytest.approx(20, abs=1)
    assert counts[B] == pytest.approx(20, abs=1)


@pytest.mark.parametrize("alone", [0.0, 3.0, 1000.0])
def test_a_new_campaign_begins_with_an_even_share(alone: float) -> None:
    schedule = make_schedule(20.0, a=20.0)
    launch(schedule, active=[A], until=alone, posts=100_000)
    schedule.put_campaign(B, 20.0, now=alone, first_slot=alone)
    counts = Counter(key for _, key in launch(schedule, active=[A, B], start=alone, posts=40))
    assert counts[A] == pytest.approx(20, abs=1)
    assert counts[B] == pytest.approx(20, abs=1)


@given(before=RATES, after=RATES, posts=st.integers(1, 50))
def test_another_rate_counts_from_now_on(before: float, after: float, posts: int) -> None:
    schedule = make_schedule(1000.0, a=before)
    first = launch(schedule, active=[A], posts=posts)
    now = first[-1][0]
    schedule.put_campaign(A, after, now=now, first_slot=NEVER)
    assert now <= schedule.slot_of(A) <= now + 1 / after + 1e-9
    then = launch(schedule, active=[A], start=now, posts=300)
    assert most_in_a_second([at for at, _ in first + then]) <= max(before, after) * 1.05 + 1
    assert then[-1][0] - then[0][0] == pytest.approx(299 / after, abs=TOLERANCE + 1e-6)


@given(before=RATES, after=RATES)
def test_another_rate_of_the_account_counts_from_now_on(before: float, after: float) -> None:
    schedule = make_schedule(before, a=1000.0)
    first = launch(schedule, active=[A], posts=20)
    now = first[-1][0]
    schedule.set_rate(after, now)
    then = launch(schedule, active=[A], start=now, posts=300)
    assert most_in_a_second([at for at, _ in first + then]) <= max(before, after) * 1.05 + 1
    assert then[-1][0] - then[0][0] == pytest.approx(299 / after, abs=TOLERANCE + 1e-6)


def test_the_same_rate_again_changes_nothing() -> None:
    pacer = Pacer(2.0, 7.0)
    pacer.change_rate(2.0, 6.9)
    assert pacer.next_slot == 7.0


def test_a_first_slot_is_kept_and_a_second_one_ignored() -> None:
    schedule = make_schedule(20.0)
    schedule.put_campaign(A, 1.0, now=0.0, first_slot=3.0)
    schedule.put_campaign(A, 1.0, now=0.0, first_slot=9.0)
    assert schedule.slot_of(A) == 3.0


def test_campaigns_that_are_not_kept_are_forgotten() -> None:
    schedule = make_schedule(20.0, a=1.0, b=1.0)
    schedule.keep_campaigns({B})
    assert A not in schedule
    assert B in schedule
    assert schedule.plan(0.0, lead=1.0, window=0.25, pending=[A, B], active=[A, B]).next_slots.keys() == {B}


def test_nothing_goes_before_the_accounts_first_slot() -> None:
    schedule = Schedule(20.0, 2.5)
    schedule.put_campaign(A, 20.0, now=0.0, first_slot=0.0)
    assert launch(schedule, active=[A], posts=2)[0][0] == 2.5


def test_no_slots_are_given_out_while_the_first_is_farther_away_than_the_lead() -> None:
    schedule = Schedule(20.0, 2.5)
    schedule.put_campaign(A, 20.0, now=0.0, first_slot=0.0)
    early = schedule.plan(2.0, lead=0.4, window=0.25, pending=(), active=[A])
    assert (early.order, early.first_slot) == ([], 2.5)
    assert len(schedule.plan(2.1, lead=0.4, window=0.24, pending=(), active=[A]).order) == 5


def test_a_plan_without_an_active_campaign_is_empty() -> None:
    plan = make_schedule(20.0, a=1.0).plan(0.0, lead=1.0, window=0.25, pending=(), active=())
    assert (plan.order, plan.first_slot) == ([], None)


@given(
    account_rate=RATES,
    rates=st.lists(RATES, min_size=3, max_size=3),
    past=st.integers(0, 30),
    pending=st.lists(st.sampled_from([A, B, C]), max_size=5),
    window=st.floats(0.01, 2.0),
)
def test_a_plan_changes_nothing_and_is_what_punctual_launches_then_do(
    account_rate: float, rates: list[float], past: int, pending: list[CampaignId], window: float
) -> None:
    schedule = make_schedule(account_rate, a=rates[0], b=rates[1], c=rates[2])
    now = max((at for at, _ in launch(schedule, active=[A, B, C], posts=past)), default=0.0)
    untouched = deepcopy(schedule)
    plan = schedule.plan(now, lead=NEVER, window=window, pending=pending, active=[A, B, C])
    for other in (schedule, untouched):
        for key in [*pending, *plan.order]:
            other.launched(key, max(now, other.slot_of(key)))
        again = other.plan(now, lead=-1.0, window=window, pending=(), active=[A, B, C])
        assert again.next_slots == plan.next_slots
        assert again.account_next_slot == plan.account_next_slot


@given(
    rate=RATES,
    window=st.floats(0.05, 1.0),
    round_trips=st.lists(st.floats(0.0, 0.1), min_size=1, max_size=10),
)
def test_planning_in_windows_gives_out_every_slot_exactly_once(
    rate: float, window: float, round_trips: list[float]
) -> None:
    """As the engine works: plan ahead, claim for a round trip, launch at the slots meanwhile."""
    schedule = make_schedule(rate, a=1000.0)
    longest = max(round_trips)
    backlog = 0
    claimed = 0
    arrives = NEVER
    instants: list[float] = []
    now = 0.0
    for step in range(10_000):
        if arrives <= now:
            backlog, claimed, arrives = backlog + claimed, 0, NEVER
        while backlog and schedule.slot_of(A) <= now:
            schedule.launched(A, now)
            instants.append(now)
            backlog -= 1
        first_slot = NEVER
        lead = 0.03 + 1.5 * longest
        if not claimed:
            plan = schedule.plan(
                now, lead=lead, window=max(window, 2 * longest), pending=[A] * backlog, active=[A]
            )
            assert plan.first_slot is not None
            first_slot = plan.first_slot
            if plan.order:
                claimed, arrives = len(plan.order), now + round_trips[step % len(round_trips)]
        if len(instants) >= 100:
            break
        now = min(
            schedule.slot_of(A) if backlog else NEVER,
            arrives if claimed else max(now, first_slot - lead) + 1e-9,
        )
    assert len(instants) >= 100
    first = round_trips[0]  # the first claim comes when it comes
    assert instants[-1] - instants[0] <= (len(instants) - 1) / rate + max(first - TOLERANCE, 0.0) + 1e-6
    assert most_in_a_second(instants) <= rate * 1.05 + 1


def launch_with_commands(
    schedule: Schedule, *, active: Collection[CampaignId], command_at: Collection[float], until: float
) -> tuple[list[Launch], list[float]]:
    """Launch campaign posts, and each command in the account's first slot from its instant on."""
    launched: list[Launch] = []
    commands: list[float] = []
    asked = sorted(command_at, reverse=True)
    now = 0.0
    while now < until:
        plan = schedule.plan(now, lead=NEVER, window=1e-6, pending=(), active=active)
        next_post = schedule.slot_of(plan.order[0])
        next_command = max(asked[-1], schedule.command_slot) if asked else NEVER
        if next_command <= next_post:
            asked.pop()
            now = next_command
            schedule.launched_command(now)
            commands.append(now)
        else:
            now = max(now, next_post)
            schedule.launched(plan.order[0], now)
            launched.append((now, plan.order[0]))
    return launched, commands


@given(
    rate=RATES,
    rates=st.lists(RATES, min_size=1, max_size=3),
    asked=st.lists(st.floats(0.0, 10.0), max_size=60),
)
def test_commands_and_campaigns_together_never_exceed_the_account(
    rate: float, rates: list[float], asked: list[float]
) -> None:
    schedule = make_schedule(rate, **dict(zip("abc", rates, strict=False)))
    active = [A, B, C][: len(rates)]
    launched, commands = launch_with_commands(schedule, active=active, command_at=asked, until=20.0)
    assert most_in_a_second(sorted([at for at, _ in launched] + commands)) <= rate * 1.05 + 1
    for campaign_id, own in zip(active, rates, strict=False):
        assert most_in_a_second([at for at, key in launched if key == campaign_id]) <= own * 1.05 + 2


@given(gaps=st.lists(st.floats(0.3, 3.0), max_size=60))
def test_a_campaign_with_room_beside_it_loses_no_time_to_commands(gaps: list[float]) -> None:
    """20/s of an account of 25/s, and at most three commands a second."""
    schedule = make_schedule(25.0, a=20.0)
    asked = list(accumulate(gaps))
    launched, _ = launch_with_commands(schedule, active=[A], command_at=asked, until=60.0)
    own = [at for at, _ in launched]
    assert own[-1] - own[0] == pytest.approx((len(own) - 1) / 20, abs=0.1)


def test_a_command_goes_in_the_accounts_next_slot_and_moves_all_alike() -> None:
    schedule = make_schedule(10.0, a=10.0, b=10.0)
    launched, commands = launch_with_commands(schedule, active=[A, B], command_at=[0.95] * 5, until=10.0)
    assert commands == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4])
    counts = Counter(key for _, key in launched)
    assert counts[A] == pytest.approx(counts[B], abs=1)
    assert counts.total() == pytest.approx(95, abs=2)


def test_a_plan_leaves_room_for_waiting_commands() -> None:
    schedule = make_schedule(10.0, a=10.0)
    plan = schedule.plan(0.0, lead=NEVER, window=0.5, pending=(), active=[A], commands=3)
    assert plan.first_slot == pytest.approx(0.3)
    assert plan.account_next_slot == pytest.approx(0.3 + len(plan.order) / 10)
    assert schedule.command_slot == 0.0
