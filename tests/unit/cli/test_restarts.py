"""How long to wait before a dead child is started again."""

from datetime import timedelta

from vestnik.cli.restarts import RestartDelays

SHORT = timedelta(seconds=1)


def test_the_first_restart_is_at_once_and_the_next_ones_wait_longer_and_longer() -> None:
    delays = RestartDelays()
    seconds = [delays.next(SHORT).total_seconds() for _ in range(9)]
    assert seconds == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_long_life_begins_anew() -> None:
    delays = RestartDelays()
    for _ in range(5):
        delays.next(SHORT)
    assert delays.next(timedelta(minutes=2)) == timedelta(0)
    assert delays.next(SHORT) == timedelta(seconds=0.5)


def test_a_night_of_failures_does_not_overflow() -> None:
    delays = RestartDelays()
    for _ in range(5000):
        delay = delays.next(SHORT)
    assert delay == timedelta(seconds=30)


def test_where_dying_is_usual_every_restart_is_at_once() -> None:
    delays = RestartDelays(healthy_after=timedelta(0))
    assert {delays.next(SHORT) for _ in range(5)} == {timedelta(0)}
