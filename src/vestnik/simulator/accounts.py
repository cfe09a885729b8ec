"""Accounts: who is behind an auth key, and what the server remembers about each."""

import hashlib
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from vestnik.simulator.channels import Channel, ChannelDirectory
from vestnik.simulator.endpoint import SIMULATED_DC
from vestnik.simulator.floods import FloodGate, FloodLimit

if TYPE_CHECKING:
    from vestnik.simulator.floods import FloodScope
    from vestnik.simulator.passwords import CloudPassword

_USER_ID_BASE: Final = 100_000_000
_USER_ID_SPAN: Final = 5_000_000_000
_ID_BITS: Final = 64
_PASSWORD_LIMIT: Final = FloodLimit(posts=5, seconds=600, wait=60)

DialogKey = tuple[int, int, int]
"""Date and id of the top message, channel id: dialogs go from the greatest down."""


def derive_user_id(name: str) -> int:
    """The same id for the same name in every run."""
    digest = hashlib.sha256(b"user\0" + name.encode()).digest()
    return _USER_ID_BASE + int.from_bytes(digest[:8], "big") % _USER_ID_SPAN


class Account:
    """One user or bot. `index` is its place in the list of accounts, `dc_id` the data centre of its home."""

    def __init__(self, index: int, name: str, user_id: int, *, is_bot: bool) -> None:
        self.index = index
        self.name = name
        self.user_id = user_id
        self.is_bot = is_bot
        self.dc_id = SIMULATED_DC
        self.phone: str | None = None
        self.password: CloudPassword | None = None
        self.password_tries = FloodGate(_PASSWORD_LIMIT)
        self.gates: dict[FloodScope, FloodGate] = {}
        self.random_ids: dict[int, int] = {}
        self.running_until: dict[int, float] = {}
        self.last_post: dict[int, float] = {}
        self.max_connections = 0
        self._dialogs: dict[int, Channel] = {}
        self._ordered: list[DialogKey] = []
        self._ordered_at = -1

    def forget_activity(self) -> None:
        """Begin anew: no flood limits, no random_ids, no slow mode running."""
        self.gates.clear()
        self.password_tries = FloodGate(_PASSWORD_LIMIT)
        self.random_ids.clear()
        self.running_until.clear()
        self.last_post.clear()
        self.max_connections = 0

    def access_hash(self, kind: str, target_id: int) -> int:
        """What this account, and no other, has to show to address a channel, a user or a file."""
        material = f"{kind}\0{self.name}\0{target_id}".encode()
        return int.from_bytes(hashlib.sha256(material).digest()[:8], "big", signed=True)

    def join(self, channel: Channel) -> None:
        """Put the channel among the account's dialogs."""
        if channel.channel_id not in self._dialogs:
            self._dialogs[channel.channel_id] = channel
            self._ordered_at = -1

    def count_dialogs(self) -> int:
        """How many dialogs there are in all."""
        return len(self._dialogs)

    def list_dialogs(self, directory: ChannelDirectory, after: DialogKey | None, limit: int) -> list[Channel]:
        """The next dialogs, newest top message first, below `after` if it is given."""
        if self._ordered_at != directory.version:
            self._ordered = sorted(
                (-channel.top_date, -channel.top_id, -channel.channel_id)
                for channel in self._dialogs.values()
            )
            self._ordered_at = directory.version
        start = 0
        if after is not None:
            start = bisect_right(self._ordered, (-after[0], -after[1], -after[2]))
        return [self._dialogs[-key[2]] for key in self._ordered[start : start + limit]]


def pack_random_key(channel_id: int, random_id: int) -> int:
    """Channel and random_id as one integer, which takes less memory than a tuple."""
    return channel_id << _ID_BITS | random_id & (1 << _ID_BITS) - 1
