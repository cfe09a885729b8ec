"""What a process was started with, as it may be shown: never a secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class SettingSource(StrEnum):
    """Where a setting's value comes from."""

    ENVIRONMENT = "ENVIRONMENT"
    FILE = "FILE"
    START = "START"
    """An option of the command that started the process."""
    DEFAULT = "DEFAULT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The permitted range of a number; None has no end there."""

    lowest: float | None
    highest: float | None
    is_above_lowest: bool
    """`lowest` itself is not permitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingView:
    """One setting. `value` and `default` are None where there is none, and always for what must not be shown."""

    name: str
    """The environment variable."""
    other_names: Sequence[str]
    is_secret: bool
    is_set: bool
    """Whether it has a value that somebody gave."""
    value: str | None
    default: str | None
    bounds: Bounds | None
    source: SettingSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """The settings of this process and the kind of its database."""

    settings: Sequence[SettingView] = ()
    is_database_embedded: bool = False
