"""`vestnik doctor`: looks at everything that an installation needs, and says what to do about what is wrong."""

import sys
from typing import Annotated

import typer

from vestnik.cli.context import read_settings
from vestnik.cli.output import JsonOption, count_of, print_json
from vestnik.domain.doctor import Finding, Part, Verdict
from vestnik.domain.errors import ConfigurationError

_MARKS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.FAULT: "FAULT"}


def run_doctor(
    context: typer.Context,
    part: Annotated[
        Part,
        typer.Option(
            "--for",
            help="What is to run here: an API may stand behind a transaction pooler, a worker may not.",
        ),
    ] = Part.ALL,
    as_json: JsonOption = False,
) -> None:
    """Look at database, clock, schema, permissions, key, Telegram, disk and ports, and say what to do.

    Changes nothing, but starts the embedded database where no other is named. The exit code is 1 when something is
    at fault.
    """
    from vestnik.cli.examination import examine

    findings = []
    try:
        settings = read_settings(context)
    except ConfigurationError as exc:
        findings.append(Finding.fault("settings", exc.message, "correct it in the environment or in .env"))
        _show(findings[0], as_json=as_json)
    else:
        for finding in examine(settings, part):
            findings.append(finding)
            _show(finding, as_json=as_json)
    faults = sum(finding.verdict is Verdict.FAULT for finding in findings)
    if as_json:
        print_json({"healthy": not faults, "findings": findings})
    else:
        warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
        print(f"{count_of(faults, 'fault')}, {count_of(warnings, 'warning')}.")
    if faults:
        raise typer.Exit(1)


def _show(finding: Finding, *, as_json: bool) -> None:
    """At once, because some questions wait for an answer for seconds."""
    if as_json:
        return
    print(f"{_MARKS[finding.verdict]:<8} {finding.check:<12} {finding.text}")
    if finding.cure is not None:
        print(f"{'':<8} {'':<12} {finding.cure}")
    sys.stdout.flush()
