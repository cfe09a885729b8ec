"""Who does something, for the audit log."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class ActorKind(StrEnum):
    """Through which door an action came."""

    USER = "USER"
    TOKEN = "TOKEN"  # noqa: S105 - a kind, not a secret
    CLI = "CLI"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who acts. `name` is a person's, a token's or a part's name; `address` is where a request came from."""

    kind: ActorKind
    name: str
    address: str | None = None

    @classmethod
    def system(cls, part: str) -> Self:
        """A part of Vestnik that acts by itself."""
        return cls(kind=ActorKind.SYSTEM, name=part)
