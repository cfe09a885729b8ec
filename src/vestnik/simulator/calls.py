"""One request on its way through a method."""

from collections.abc import Callable
from dataclasses import dataclass

from telethon.tl import TLObject

from vestnik.simulator.accounts import Account
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.posts import Arrival
from vestnik.simulator.sessions import AuthKey
from vestnik.simulator.state import Simulator


@dataclass(frozen=True, slots=True)
class Call:
    """A request, the key it came under, and when. `answered_at` is monotonic: when the client will know."""

    simulator: Simulator
    key: AuthKey
    request: TLObject
    arrival: Arrival
    answered_at: float

    @property
    def account(self) -> Account:
        """Who is calling; raises AUTH_KEY_UNREGISTERED before a login."""
        if self.key.revoked is not None:
            raise self.key.revoked
        if self.key.account is None:
            raise RpcFailure(401, "AUTH_KEY_UNREGISTERED")
        return self.key.account

    def require_login(self) -> None:
        """Raises AUTH_KEY_UNREGISTERED where the account itself does not matter."""
        _ = self.account


Method = Callable[[Call], TLObject]
"""Carries a call out and gives a TL object, a bool or a list of TL objects; raises RpcFailure."""
