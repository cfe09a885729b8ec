"""Judging what the simulator saw."""

import pytest

from vestnik.cli.drill_analysis import (
    Loss,
    Sending,
    Span,
    compute_max_rate_ratio,
    compute_two_senders,
    count_after_freezes,
    count_during,
    measure_recoveries,
    measure_takeovers,
)


def sendings(*times: float, account: str = "a", connection: int = 1, process: str = "p") -> list[Sending]:
    return [Sending(account, connection, process, at) for at in times]


def test_the_busiest_second_of_any_account_counts() -> None:
    seen = sendings(0, 0.5, 0.9, 1.9) + sendings(0, 0.1, 0.2, 0.3, account="b")
    assert compute_max_rate_ratio(seen, 4) == 1
    assert compute_max_rate_ratio(seen, 2) == 2
    assert compute_max_rate_ratio([], 2) == 0


def test_only_what_an_account_sends_in_its_own_span_is_counted() -> None:
    spans = [Span(1, 2, "a"), Span(5, 6, "b")]
    assert count_during(sendings(0.5, 1.5, 2.5, 5.5), spans) == 1
    assert count_during(sendings(1.5, account="b"), spans) == 0


def test_processes_that_take_turns_never_send_at_once() -> None:
    seen = sendings(0, 1) + sendings(2, 3, connection=2, process="q") + sendings(4, 5, connection=3)
    assert compute_two_senders(seen) == 0


def test_a_process_that_goes_on_after_another_has_taken_over_is_seen() -> None:
    frozen = sendings(0, 1, 6)
    taken_over = sendings(3, 4, 5, 7, connection=2, process="q")
    assert compute_two_senders(frozen + taken_over) == pytest.approx(3)


def test_two_requests_at_one_instant_are_an_overlap() -> None:
    assert compute_two_senders(sendings(1) + sendings(1, connection=2, process="q")) > 0


def test_one_process_may_change_its_connection_and_serve_several_accounts() -> None:
    seen = sendings(0, 2) + sendings(1, 3, connection=2) + sendings(1, account="b", connection=3, process="q")
    assert compute_two_senders(seen) == 0


def test_what_a_thawed_process_sends_over_its_old_connection_is_counted() -> None:
    freezes = [Loss("p", 1.2, runs_out=True)]
    by_right = sendings(8, connection=3) + sendings(3, 4, connection=2, process="q")
    assert count_after_freezes(sendings(0, 1, 1.25) + by_right, freezes) == 0
    assert count_after_freezes(sendings(0, 1, 6.5) + by_right, freezes) == 1


def test_a_takeover_lasts_from_the_loss_to_the_first_request_of_another_process() -> None:
    seen = sendings(0, 1) + sendings(4.5, connection=2, process="q")
    assert measure_takeovers(seen, [Loss("p", 1.2, runs_out=True)], []) == [pytest.approx(3.3)]


@pytest.mark.parametrize(
    ("losses", "disturbances"),
    [
        ([Loss("p", 1.2, runs_out=False)], []),
        ([Loss("p", 1.2, runs_out=True, has_successor=False)], []),
        ([Loss("p", 2.5, runs_out=True)], []),
        ([Loss("other", 1.2, runs_out=True)], []),
        ([Loss("p", 1.2, runs_out=True), Loss("r", 2.0, runs_out=False)], []),
        ([Loss("p", 1.2, runs_out=True)], [Span(2, 3)]),
        ([Loss("p", 1.2, runs_out=True)], [Span(2, 9, "a")]),
    ],
    ids=[
        "given back",
        "nobody there",
        "was not sending",
        "somebody else",
        "another loss",
        "no database",
        "on hold",
    ],
)
def test_a_takeover_that_says_nothing_about_the_lease_is_left_out(
    losses: list[Loss], disturbances: list[Span]
) -> None:
    seen = sendings(0, 1) + sendings(4.5, connection=2, process="q")
    assert measure_takeovers(seen, losses, disturbances) == []


OUTAGE = Span(10, 11)
LEASE = 4


def measure_after(
    seen: list[Sending], *losses: Loss, outage: Span = OUTAGE, waits: tuple[Span, ...] = ()
) -> list[float]:
    return measure_recoveries(seen, [outage], losses, waits, lease=LEASE)


def test_a_recovery_lasts_from_the_end_of_the_outage_to_the_first_request_of_anybody() -> None:
    seen = sendings(9.5, 11.5) + sendings(9.9, 11.25, account="b", connection=2)
    assert measure_after(seen) == [pytest.approx(0.25)]
    assert measure_recoveries(seen, [OUTAGE, Span(20, 30)], [], [], lease=LEASE) == [pytest.approx(0.25)]


@pytest.mark.parametrize(
    ("losses", "waits"),
    [
        ([Loss("p", 8.5, runs_out=False)], []),
        ([Loss("p", 10.5, runs_out=True)], []),
        ([Loss("q", 12, runs_out=True)], []),
        ([], [Span(9, 13, "a")]),
    ],
    ids=["dead before", "died meanwhile", "killed afterwards", "on hold"],
)
def test_a_recovery_is_left_out_where_nobody_could_have_sent(losses: list[Loss], waits: list[Span]) -> None:
    """What is then measured is the takeover from a dead worker (up to a lease), or a wait."""
    seen = sendings(9.5) + sendings(14, connection=2, process="q")
    assert measure_after(seen) == [pytest.approx(3)]
    assert measure_after(seen, *losses, waits=tuple(waits)) == []


def test_one_account_whose_worker_lives_on_is_enough_for_a_recovery() -> None:
    seen = sendings(9.5) + sendings(9.5, 11.5, account="b", connection=2, process="q")
    assert measure_after(seen, Loss("p", 9.8, runs_out=True)) == [pytest.approx(0.5)]


def test_after_an_outage_longer_than_a_lease_the_dead_do_not_matter() -> None:
    seen = sendings(9.5) + sendings(21, connection=2, process="q")
    assert measure_after(seen, Loss("p", 12, runs_out=True), outage=Span(10, 20)) == [pytest.approx(1)]
    assert measure_after(seen, Loss("p", 17, runs_out=True), outage=Span(10, 20)) == []


def test_an_outage_in_which_nobody_was_sending_says_nothing() -> None:
    assert measure_after(sendings(5, 15)) == []
