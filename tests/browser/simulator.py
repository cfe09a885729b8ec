"""What a test does to the simulated Telegram while pages are watched."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint
from vestnik.simulator.faults import Fault
from vestnik.simulator.posts import Post

Result = TypeVar("Result")


def _control(endpoint: SimulatorEndpoint, work: Callable[[SimulatorControl], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with await SimulatorControl.connect(endpoint) as control:
            return await work(control)

    # In a thread of its own: the browser's driver already runs an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


def set_faults(endpoint: SimulatorEndpoint, *faults: Fault) -> None:
    """These and no others from now on."""
    _control(endpoint, lambda control: control.set_faults(faults))


def list_posts(endpoint: SimulatorEndpoint) -> Sequence[Post]:
    """Everything that has arrived so far."""
    return _control(endpoint, lambda control: control.list_posts())
