"""What a drill was asked for."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from vestnik.domain.campaigns import check_rate
from vestnik.domain.errors import InvalidInputError

MIN_RATE: Final = 10
"""Below this, one post more in a second is more than the tenth by which the rate may be exceeded."""
MAX_RATE: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillOptions:
    """`rate` is posts per second of each account, `db_outage` seconds (0: none)."""

    jobs: int
    accounts: int
    rate: Decimal
    workers: int
    kills: int
    db_kills: int
    db_outage: float
    flood_waits: int
    drops: int
    pauses: int
    seed: int
    as_json: bool = False

    @property
    def total_rate(self) -> float:
        """Posts per second of all accounts together."""
        return float(self.rate) * self.accounts


def check_drill_rate(value: str) -> Decimal:
    """The rate of one account; raises InvalidInputError when a drill could not judge it."""
    rate = check_rate(value)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidInputError(
            f"the rate is {value}; for a drill it must be from {MIN_RATE} to {MAX_RATE} posts per second",
            field="rate",
        )
    return rate
