"""Scripted faults: what goes wrong, with which method, for which channel, and how often."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from pydantic import Field

from vestnik.simulator.failures import RpcFailure


class FaultKind(StrEnum):
    """What happens. The `_after` kinds carry the request out first; the others do not."""

    ERROR = "error"
    ERROR_AFTER = "error_after"
    DELAY = "delay"
    """Carried out at once; the answer comes `delay` seconds later."""
    SILENCE = "silence"
    SILENCE_AFTER = "silence_after"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    REVOKE = "revoke"
    """The account's keys answer every request with the error from now on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault. `method` is a TL name such as messages.sendMessage and may hold * and ?.

    `channel` is a username or an id, `account` a name; without them every one matches. Of the matching
    requests the first `skip` pass, of the others each is hit with `probability`, until `count` were hit (None:
    no end). `code` and `name` are the RPC error of ERROR, ERROR_AFTER (500 RPC_CALL_FAIL) and REVOKE (401
    AUTH_KEY_UNREGISTERED).
    """

    method: str = "*"
    kind: FaultKind
    channel: str | int | None = None
    account: str | None = None
    code: int | None = None
    name: Annotated[str, Field(min_length=1)] | None = None
    delay: Annotated[float, Field(ge=0, le=3600)] = 0.0
    skip: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    @property
    def failure(self) -> RpcFailure:
        """The RPC error, with the defaults of the kind."""
        code, name = 500, "RPC_CALL_FAIL"
        if self.kind is FaultKind.REVOKE:
            code, name = 401, "AUTH_KEY_UNREGISTERED"
        return RpcFailure(
            self.code if self.code is not None else code, self.name if self.name is not None else name
        )


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """What a fault is matched against; the channel is unset for methods that name none."""

    method: str
    account: str | None
    channel_id: int | None
    username: str | None


class _ArmedFault:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.skip_left = fault.skip
        self.left = fault.count
        self.hits = 0
        channel = fault.channel
        self._channel_id = channel if isinstance(channel, int) else None
        self._username = channel.removeprefix("@").lower() if isinstance(channel, str) else None

    def matches(self, target: FaultTarget) -> bool:
        fault = self.fault
        if fault.account is not None and fault.account != target.account:
            return False
        if self._channel_id is not None and self._channel_id != target.channel_id:
            return False
        if self._username is not None and self._username != target.username:
            return False
        return fnmatchcase(target.method, fault.method)

    def fires(self, rng: random.Random) -> bool:
        if self.skip_left:
            self.skip_left -= 1
            return False
        if self.left == 0 or (self.fault.probability < 1 and rng.random() >= self.fault.probability):
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True


class FaultPlan:
    """The faults in force, in the order given; the first that fires wins."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._armed: list[_ArmedFault] = []

    def __bool__(self) -> bool:
        return bool(self._armed)

    @property
    def hits(self) -> int:
        """How many requests were hit by the faults in force."""
        return sum(armed.hits for armed in self._armed)

    def set(self, faults: Sequence[Fault]) -> None:
        """Replace all faults; counting begins anew."""
        self._armed = [_ArmedFault(fault) for fault in faults]

    def choose(self, target: FaultTarget) -> Fault | None:
        """The fault that hits this request, if one does."""
        for armed in self._armed:
            if armed.matches(target) and armed.fires(self._rng):
                return armed.fault
        return None
