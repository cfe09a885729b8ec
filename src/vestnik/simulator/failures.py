"""The errors that the simulated server answers with."""

import math


class RpcFailure(Exception):  # noqa: N818 - an answer of the server, not a defect
    """An RPC error on its way to the client: a code and Telegram's name for it."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(f"{code} {name}")
        self.code = code
        self.name = name


def refuse_with_flood_wait(seconds: float) -> RpcFailure:
    """FLOOD_WAIT_n; whole seconds, rounded up, never 0, as Telegram gives them."""
    return RpcFailure(420, f"FLOOD_WAIT_{max(1, math.ceil(seconds))}")


def refuse_with_slow_mode(seconds: float) -> RpcFailure:
    """SLOWMODE_WAIT_n for one channel."""
    return RpcFailure(420, f"SLOWMODE_WAIT_{max(1, math.ceil(seconds))}")
