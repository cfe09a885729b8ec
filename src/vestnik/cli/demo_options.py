"""What a demo was asked for."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class FaultLevel(StrEnum):
    """How much goes wrong."""

    NONE = "none"
    MILD = "mild"
    STORM = "storm"


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions:
    """`rate` is posts per second."""

    channels: int
    rate: Decimal
    faults: FaultLevel
    once: bool
    as_json: bool
