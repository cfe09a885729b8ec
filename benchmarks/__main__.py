"""All benchmarks by one command: `python -m benchmarks`, or `make bench`."""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.contestants import choose_contestants, list_versions, pick_one_of_each
from benchmarks.machine import describe_run
from benchmarks.options import MEASURES, Options, Request, parse_request
from benchmarks.report import Measure
from benchmarks.rounds import describe_failure, say
from benchmarks.tables import COLUMNS, make_row
from vestnik.cli.output import print_table
from vestnik.domain.errors import VestnikError


def measure_one(name: str, options: Options) -> Iterator[Measure]:
    """What the measure's module finds out, as it does."""
    found: Iterator[Measure] = importlib.import_module(MEASURES[name]).measure(options)
    return found


class Report:
    """Says what was found: as JSON at once, as a table when a measure is through."""

    def __init__(self, run: Mapping[str, Any], *, as_json: bool) -> None:
        self._run = run
        self._as_json = as_json
        self.missed = 0
        if not as_json:
            print(json.dumps(run), end="\n\n", flush=True)

    def take(self, measures: Iterator[Measure]) -> None:
        """All figures of one measure."""
        rows = []
        try:
            for measure in measures:
                self.missed += any(measure.is_met(target) is False for target in measure.targets)
                rows.append(make_row(measure))
                if self._as_json:
                    print(measure.to_json(self._run), flush=True)
        finally:
            if rows and not self._as_json:
                print_table(COLUMNS, rows)
                print(flush=True)


def run(request: Request) -> int:
    """All that was asked for; what fails is said, and the rest goes on."""
    peers = choose_contestants(request.peers)
    if request.peers is None and not request.full:
        peers = pick_one_of_each(peers)
    options = Options(full=request.full, runs=request.runs, peers=tuple(peers))
    described = describe_run() | {"peers": list_versions(peers)}
    report = Report(described, as_json=request.as_json)
    failed = 0
    for name in request.measures:
        say(f"{name} begins")
        try:
            report.take(measure_one(name, options))
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - one that fails must not cost the others
            failed += 1
            say(f"{name} could not be measured: {describe_failure(exc)}")
    return 2 if failed else 1 if report.missed else 0


def main() -> int:
    """The command."""
    try:
        return run(parse_request())
    except VestnikError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
