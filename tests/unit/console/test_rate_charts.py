"""Posts per minute as columns."""

from datetime import UTC, datetime, timedelta

from vestnik.console.rate_charts import make_chart

NOON = datetime(2026, 5, 9, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_each_minute_is_a_column_and_gaps_are_nothing() -> None:
    chart = make_chart([(NOON, 3), (NOON + 2 * MINUTE, 5)], NOON + timedelta(seconds=40), NOON + 3 * MINUTE)
    assert [(column.start, column.rate) for column in chart.columns] == [
        (NOON, 3),
        (NOON + MINUTE, 0),
        (NOON + 2 * MINUTE, 5),
        (NOON + 3 * MINUTE, 0),
    ]
    assert (chart.total, chart.highest, chart.minutes_per_column) == (8, 5, 1)


def test_a_long_span_is_averaged() -> None:
    minutes = [(NOON + place * MINUTE, 6) for place in range(600)]
    chart = make_chart(minutes, NOON, NOON + 599 * MINUTE)
    assert (chart.minutes_per_column, len(chart.columns)) == (5, 120)
    assert {column.rate for column in chart.columns} == {6}
    assert chart.total == 3600


def test_the_last_column_is_averaged_over_its_own_minutes() -> None:
    minutes = [(NOON + place * MINUTE, 4) for place in range(121)]
    chart = make_chart(minutes, NOON, NOON + 120 * MINUTE)
    assert (chart.minutes_per_column, len(chart.columns), chart.columns[-1].rate) == (2, 61, 4)


def test_what_lies_outside_is_left_out() -> None:
    chart = make_chart([(NOON - MINUTE, 9), (NOON + 5 * MINUTE, 9)], NOON, NOON + 4 * MINUTE)
    assert (chart.total, len(chart.columns)) == (0, 5)


def test_an_end_before_the_start_is_one_column() -> None:
    assert len(make_chart([], NOON, NOON - 9 * MINUTE).columns) == 1


def test_any_span_has_few_columns() -> None:
    for days in (1, 30, 365, 5000):
        chart = make_chart([], NOON, NOON + timedelta(days=days))
        assert len(chart.columns) <= 121
