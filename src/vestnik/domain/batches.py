"""What can be done with batches of channels."""

from enum import StrEnum


class Combination(StrEnum):
    """How batches make a new one: all their channels, those of the first alone, those that all share."""

    UNION = "union"
    DIFFERENCE = "difference"
    INTERSECTION = "intersection"
