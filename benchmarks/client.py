"""What Telethon reaches in our hands, against what it reaches alone: `python -m benchmarks client`.

Two comparisons, both over TCP to a simulator in another process. First the transport alone, with and without
cryptg: as many posts under way as in a loop over bare Telethon, no pace, no database. Then the whole chain: a
worker that claims, sends and records, at rates that bind nothing, against bare Telethon on as many connections.
There worker, PostgreSQL and simulator share the processors; bare Telethon shares them with the simulator alone.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks.chain import ACCOUNTS, Chain, run_chain
from benchmarks.options import Options
from benchmarks.report import Measure, Target
from benchmarks.rounds import Rounds, run_rounds
from benchmarks.senders import VARIABLE, Sending, Sent
from benchmarks.system import open_simulator, open_system, run_module
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint, derive_auth_key

PEER = "telethon"
CHANNELS = 500
CONCURRENCY = 50
MESSAGES, FULL_MESSAGES = 1_500, 20_000
CHAIN_POSTS, FULL_CHAIN_POSTS = 1_500, 20_000
TEXT = "x" * 300
PART_OF_TELETHON = 0.9


class Speed(Protocol):
    """How quickly a process sends, and what each post takes of its processors."""

    @property
    def rate(self) -> float:
        """Posts a second."""

    @property
    def cpu(self) -> float:
        """Microseconds."""


async def make_accounts(endpoint: SimulatorEndpoint, names: list[str]) -> None:
    """Accounts in the simulator alone, each with the same channels among its dialogs."""
    async with await SimulatorControl.connect(endpoint) as control:
        for name in names:
            await control.add_account(name, derive_auth_key(endpoint.token, name))
            await control.ensure_channels([f"bench_{number}" for number in range(CHANNELS)], name)


def run_senders(messages: int, *, is_ours: bool, accounts: int = 1, with_cryptg: bool = True) -> Sent:
    """On a simulator of its own, so that none finds it fuller than another."""
    names = [f"sender {number}" for number in range(accounts)]
    with tempfile.TemporaryDirectory() as folder, open_simulator(Path(folder)) as endpoint:
        asyncio.run(make_accounts(endpoint, names))
        sending = Sending(
            endpoint=asdict(endpoint),
            accounts=names,
            messages=messages,
            concurrency=CONCURRENCY,
            text=TEXT,
            is_ours=is_ours,
            with_cryptg=with_cryptg,
        )
        variables = {VARIABLE: json.dumps(asdict(sending))}
        with run_module("benchmarks.senders", folder=Path(folder), variables=variables) as sent:
            return Sent(rate=sent["rate"], cpu=sent["cpu"], cipher=sent["cipher"])


def run_worker(posts: int) -> Chain:
    """The whole chain, on a system of its own."""
    with open_system() as system:
        return asyncio.run(run_chain(system, posts))


def describe(name: str, rounds: Rounds[Any], settings: dict[str, Any]) -> Iterator[Measure]:
    """Posts a second, and what each costs."""

    def read_rate(speed: Speed) -> float:
        return speed.rate

    def read_cpu(speed: Speed) -> float:
        return speed.cpu

    yield Measure(
        name=f"client.{name}",
        unit="posts/s",
        ours=rounds.summarize_ours(read_rate),
        peers=rounds.summarize_peers(read_rate),
        targets=(Target(of=PEER, at_least=PART_OF_TELETHON),),
        settings=settings,
        failures=rounds.failures,
    )
    yield Measure(
        name=f"client.{name}.cpu",
        unit="µs/post",
        ours=rounds.summarize_ours(read_cpu),
        peers=rounds.summarize_peers(read_cpu),
        settings=settings,
        failures=rounds.failures,
    )


def measure(options: Options) -> Iterator[Measure]:
    """Telethon is what we stand on, so it is measured whatever peers were asked for."""
    messages = FULL_MESSAGES if options.full else MESSAGES
    for with_cryptg in (True, False):
        name = "transport" if with_cryptg else "transport_without_cryptg"
        sent: Rounds[Sent] = run_rounds(
            f"client, {name}",
            partial(run_senders, messages, is_ours=True, with_cryptg=with_cryptg),
            {PEER: partial(run_senders, messages, is_ours=False, with_cryptg=with_cryptg)},
            options.runs,
        )
        settings = {
            "messages": messages,
            "concurrency": CONCURRENCY,
            "bytes": len(TEXT),
            "cipher": sent.ours[0].cipher,
        }
        yield from describe(name, sent, settings)
    posts = FULL_CHAIN_POSTS if options.full else CHAIN_POSTS
    chains: Rounds[Speed] = run_rounds(
        "client, chain",
        partial(run_worker, posts),
        {PEER: partial(run_senders, posts, is_ours=False, accounts=ACCOUNTS)},
        options.runs,
    )
    yield from describe("chain", chains, {"posts": posts, "accounts": ACCOUNTS, "bytes": len(TEXT)})
