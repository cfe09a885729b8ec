"""What instants say about a pace."""

import pytest

from benchmarks.arrivals import judge_evenness, measure_slot_lateness, pick_percentile, split_at


def even(number: int, rate: float, begin: float = 0.0) -> list[float]:
    return [begin + index / rate for index in range(number)]


def test_an_even_stream_is_on_time_and_full_in_every_second() -> None:
    found = judge_evenness([even(101, 20)], 20)
    assert found.longest == pytest.approx(0)
    assert found.over_ideal == pytest.approx(0)
    assert found.busiest in {20, 21}
    assert found.emptiest in {19, 20}


def test_a_late_first_message_makes_only_itself_late() -> None:
    arrivals = even(1_000, 20)
    arrivals[0] += 0.04
    late = measure_slot_lateness(arrivals, 20)
    assert late[0] == pytest.approx(0.04)
    assert max(late[1:]) == pytest.approx(0)


def test_a_burst_is_late_with_its_last_message_although_none_came_after_its_slot() -> None:
    arrivals = [float(index // 20) for index in range(200)]
    found = judge_evenness([arrivals], 20)
    assert found.p99 == pytest.approx(0.95)
    assert found.busiest == 20


def test_a_stream_that_is_too_slow_gets_later_and_later() -> None:
    found = judge_evenness([even(201, 18)], 20)
    assert found.longest == pytest.approx(10 / 9, rel=0.05)
    assert found.over_ideal == pytest.approx(100 * (20 / 18 - 1))
    assert found.emptiest in {17, 18}


def test_a_gap_between_parts_is_neither_lateness_nor_an_empty_second() -> None:
    parts = [even(61, 20), even(61, 20, begin=13.02)]
    found = judge_evenness(parts, 20)
    assert found.longest == pytest.approx(0)
    assert found.over_ideal == pytest.approx(0)
    assert found.emptiest >= 19


def test_a_burst_across_a_gap_is_seen() -> None:
    """Each part is even, but the second one begins before the first one's second is over."""
    parts = [even(41, 20), even(41, 20, begin=2.001)]
    assert judge_evenness(parts, 20).busiest == 21
    assert judge_evenness([even(41, 20), even(41, 20, begin=1.5)], 20).busiest > 21


def test_parts_that_last_no_second_do_not_make_it_empty() -> None:
    assert judge_evenness([even(41, 20), even(3, 20, begin=9)], 20).emptiest >= 19


def test_a_stream_is_cut_where_something_came_between() -> None:
    assert split_at([1.0, 2.0, 3.0, 4.0], [2.5]) == [[1.0, 2.0], [3.0, 4.0]]
    assert split_at([1.0, 2.0], []) == [[1.0, 2.0]]


def test_a_percentile_is_a_value_that_occurred() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [pick_percentile(values, part) for part in (0.0, 0.01, 0.5, 0.95, 1.0)] == [1, 1, 50, 95, 100]
