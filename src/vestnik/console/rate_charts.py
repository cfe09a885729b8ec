"""Posts per minute as columns of a chart: gaps are 0, and long spans are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MINUTE: Final = timedelta(minutes=1)
MOST_COLUMNS: Final = 120
STEPS: Final = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 240, 720, 1440)
"""Minutes that a column may stand for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """Some minutes; `rate` is their average in posts per minute."""

    start: datetime
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """What is drawn, from `since` until `until`."""

    columns: Sequence[Column]
    minutes_per_column: int
    since: datetime
    until: datetime
    total: int

    @property
    def highest(self) -> float:
        """The highest rate, posts per minute."""
        return max((column.rate for column in self.columns), default=0.0)


def make_chart(
    minutes: Sequence[tuple[datetime, int]],
    since: datetime,
    until: datetime,
    *,
    most_columns: int = MOST_COLUMNS,
) -> Chart:
    """The minutes from that of `since` to that of `until`; what lies outside is left out."""
    first, last = _floor(since), _floor(until)
    number = max((last - first) // MINUTE + 1, 1)
    size = next((step for step in STEPS if number <= step * most_columns), -(-number // most_columns))
    sums = [0] * -(-number // size)
    for minute, sent in minutes:
        place = (minute - first) // MINUTE // size
        if 0 <= place < len(sums):
            sums[place] += sent
    columns = []
    for place, sent in enumerate(sums):
        width = min(size, number - place * size)
        columns.append(Column(start=first + place * size * MINUTE, rate=sent / width))
    return Chart(columns=columns, minutes_per_column=size, since=first, until=last + MINUTE, total=sum(sums))


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
