"""What `vestnik doctor` asks of Telegram: the server of each account, and the time there."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from vestnik.domain.doctor import Finding, Verdict, judge_clock
from vestnik.domain.errors import InvalidInputError, SecretError
from vestnik.domain.transport import TransportError

if TYPE_CHECKING:
    from vestnik.cli.doctor_database import FoundDatabase
    from vestnik.db.secrets import KeyRing
    from vestnik.telegram.reachability import ServerClock
    from vestnik.telegram.sessions import DataCentre

_ANSWER_WITHIN: Final = timedelta(seconds=10)
_CURE: Final = (
    "check the network, the firewall and what else stands between this machine and Telegram; without it nothing is "
    "posted, and what waits goes out once it is back"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Served:
    """A server, and whose sessions are good there."""

    server: "DataCentre"
    accounts: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.accounts[:3]) + (" …" if len(self.accounts) > 3 else "")
        return f"data centre {self.server.dc_id} ({self.server.host} port {self.server.port}) of {names}"


def examine_telegram(
    found: "FoundDatabase", ring: "KeyRing | None", wall_clock: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Greet the server of every account whose session can be read; the others are somebody else's finding."""
    from vestnik.bootstrap import run_async

    served = list(_list_served(found, ring))
    if not served:
        yield Finding.ok("telegram", "not asked: no account has a session that can be read here")
        return
    answers = run_async(_greet_all(served, wall_clock))
    for place, answer in zip(served, answers, strict=True):
        if isinstance(answer, TransportError):
            yield Finding.fault("telegram", f"{place} cannot be reached: {answer.message}", _CURE)
            continue
        yield Finding.ok("telegram", f"{place} answers")
        clock = judge_clock("clock", f"Telegram's in {place}", answer.ahead, uncertainty=answer.uncertainty)
        if clock.verdict is not Verdict.OK:
            yield clock


def _list_served(found: "FoundDatabase", ring: "KeyRing | None") -> Iterator[_Served]:
    from vestnik.telegram.sessions import parse_session

    if ring is None:
        return
    accounts: dict[DataCentre, list[str]] = {}
    for secret in found.list_secrets():
        if not secret.is_session:
            continue
        try:
            server = parse_session(ring.decrypt(secret.ciphertext, secret.identity)).server
        except (SecretError, InvalidInputError):
            continue
        accounts.setdefault(server, []).append(secret.owner)
    for server, names in accounts.items():
        yield _Served(server=server, accounts=tuple(names))


async def _greet_all(
    served: list[_Served], wall_clock: Callable[[], float]
) -> "list[ServerClock | TransportError]":
    return list(await asyncio.gather(*(_greet(place.server, wall_clock) for place in served)))


async def _greet(server: "DataCentre", wall_clock: Callable[[], float]) -> "ServerClock | TransportError":
    from vestnik.telegram.reachability import greet

    try:
        return await greet(server, timeout=_ANSWER_WITHIN, wall_clock=wall_clock)
    except TransportError as exc:
        return exc
