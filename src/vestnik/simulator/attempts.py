"""Who asked to post, and when: every request to post that arrived, whatever became of it."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vestnik.simulator.posts import Arrival

POSTING_METHODS: Final = frozenset({"messages.sendMessage", "messages.sendMedia", "messages.sendMultiMedia"})


@dataclass(slots=True)
class Client:
    """One connection: its number, counted from 1, and the device_model by which its client introduced itself.

    `takes_updates` is set by the first request that does not say it wants none.
    """

    number: int
    device: str = ""
    takes_updates: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One request to post: also one that was refused, repeated, or lost with its connection."""

    position: int
    account: str
    connection: int
    device: str
    arrived_at: float
    arrived_monotonic: float


@dataclass(slots=True)
class AttemptLog:
    """Attempts in order of arrival, in columns of 28 bytes each."""

    accounts: "array[int]" = field(default_factory=lambda: array("i"))
    connections: "array[int]" = field(default_factory=lambda: array("i"))
    devices: "array[int]" = field(default_factory=lambda: array("i"))
    walls: "array[float]" = field(default_factory=lambda: array("d"))
    monotonics: "array[float]" = field(default_factory=lambda: array("d"))
    _names: list[str] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.accounts)

    def add(self, *, account: int, client: Client, arrival: Arrival) -> None:
        """Store one attempt."""
        device = self._index.get(client.device)
        if device is None:
            device = self._index[client.device] = len(self._names)
            self._names.append(client.device)
        self.accounts.append(account)
        self.connections.append(client.number)
        self.devices.append(device)
        self.walls.append(arrival.wall)
        self.monotonics.append(arrival.monotonic)

    def read(self, first: int, limit: int, account_names: list[str]) -> Iterator[Attempt]:
        """At most `limit` attempts from a position on; `account_names` by the accounts' index."""
        for position in range(first, min(first + limit, len(self))):
            yield Attempt(
                position=position,
                account=account_names[self.accounts[position]],
                connection=self.connections[position],
                device=self._names[self.devices[position]],
                arrived_at=self.walls[position],
                arrived_monotonic=self.monotonics[position],
            )
