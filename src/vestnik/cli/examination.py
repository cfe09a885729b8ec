"""The examination behind `vestnik doctor`: every check by itself, so that one fault hides no other."""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vestnik.cli import doctor_database, doctor_machine, doctor_telegram
from vestnik.cli.output import describe_unexpected
from vestnik.domain.doctor import Finding, Part
from vestnik.domain.errors import VestnikError
from vestnik.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Senses:
    """Where the examination learns of this machine; a test may put its own in."""

    wall_clock: Callable[[], float] = time.time
    find_free_space: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free


def examine(settings: Settings, part: Part, *, senses: Senses | None = None) -> Iterator[Finding]:
    """Everything, from what is near to what is far; never raises an error of what it looks at."""
    senses = senses or Senses()
    yield from _guard("data folder", lambda: doctor_machine.examine_folder(settings.data_dir))
    yield from _guard("disk", lambda: doctor_machine.examine_disk(settings.data_dir, senses.find_free_space))
    keys = doctor_machine.Keys(settings)
    yield from _guard("key", keys.examine)
    if part is not Part.WORKER:
        yield from _guard("port", lambda: doctor_machine.examine_port(settings.host, settings.port))
    if part is not Part.API:
        yield from _guard("metrics", lambda: doctor_machine.examine_metrics_port(settings.metrics_port))
    with ExitStack() as places:
        yield from _examine_database(settings, part, senses, keys, places)


def _examine_database(
    settings: Settings, part: Part, senses: Senses, keys: doctor_machine.Keys, places: ExitStack
) -> Iterator[Finding]:
    opening = doctor_database.Opening(settings, places)
    yield from _guard("database", opening.examine)
    found = opening.found
    if found is None:
        return
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("clock", lambda: doctor_database.examine_clock(found, senses.wall_clock)),
        ("schema", lambda: doctor_database.examine_schema(found)),
        ("permissions", lambda: doctor_database.examine_permissions(found)),
        ("exposure", lambda: doctor_database.examine_exposure(found)),
        ("pooler", lambda: doctor_database.examine_pooler(found, part, settings)),
        ("connections", lambda: doctor_database.examine_connections(found, part, settings)),
        ("key", lambda: keys.examine_stored(found.list_secrets())),
        ("alerts", lambda: doctor_database.examine_alerts(found)),
        ("telegram", lambda: doctor_telegram.examine_telegram(found, keys.ring, senses.wall_clock)),
    ]
    for check, look in checks:
        yield from _guard(check, look)


def _guard(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Whatever goes wrong while something is looked at is a finding about it."""
    try:
        return list(look())
    except VestnikError as exc:
        problem, _, cure = exc.message.partition("; ")
        return [Finding.fault(check, problem, cure or "see what the message says")]
    except Exception as exc:  # noqa: BLE001 - the edge of a check
        what, _, _ = describe_unexpected(exc).partition("; ")
        return [Finding.fault(check, f"could not be examined: {what}", "report this as a bug of Vestnik")]
