"""What becomes of the predecessor's database: in numbers, and row by row where rows are refused."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RateUnit(StrEnum):
    """What the predecessor's `delivery_rate` counted; its code made it messages per minute."""

    SECOND = "second"
    MINUTE = "minute"

    @property
    def divisor(self) -> int:
        """What a rate is divided by to be messages per second."""
        return 60 if self is RateUnit.MINUTE else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedTable:
    """One of the predecessor's tables: its rows, what was changed in those taken over, why others are refused.

    `changes` and `rejected` are numbers of rows by kind; a row may have several changes.
    """

    table: str
    rows: int
    adopted: int
    changes: dict[str, int]
    rejected: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectedRow:
    """A row that our constraints refuse; all of it is in `legacy_rejects`."""

    table: str
    legacy_id: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OldQueue:
    """The predecessor's queue, the schema `pgboss`: messages that wait in it, and how its worker is noticed."""

    open_jobs: int
    connections: int
    """Of the worker, to this database, now."""
    active_at: datetime | None
    """When the worker last left a trace."""
    is_active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """What an adoption does, or did."""

    tables: tuple[AdoptedTable, ...]
    moved: tuple[str, ...]
    """Tables with our names, kept in the schema `predecessor`; what is not among `tables` was not read."""
    rejected: tuple[RejectedRow, ...]
    """The first of them."""
    queue: OldQueue | None
    """None where there is no schema `pgboss`."""
    rate_unit: RateUnit
    needs_account: bool
    """There are LIVE campaigns, which post as the account "default"."""

    @property
    def total_rejected(self) -> int:
        """Rows in `legacy_rejects`."""
        return sum(sum(table.rejected.values()) for table in self.tables)


@dataclass(frozen=True, kw_only=True, slots=True)
class UndoneAdoption:
    """What undoing gave back, and how many rows that were made here since went with it, by table."""

    tables: tuple[str, ...]
    lost: dict[str, int]
