"""Measures in words: what a cell of a table says, on a terminal and in a page."""

from collections.abc import Iterable

from benchmarks.report import Measure, Summary, Target

COLUMNS = ("measure", "unit", "Vestnik", "others (ratio: Vestnik to them)", "target")


def format_number(value: float) -> str:
    """As many digits as are worth reading; thousands apart."""
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{value:,.{digits}f}"


def format_summary(summary: Summary) -> str:
    """The median, and how far the runs spread."""
    if summary.runs == 1:
        return format_number(summary.median)
    return f"{format_number(summary.median)} ({format_number(summary.least)} – {format_number(summary.most)})"


def format_target(measure: Measure, target: Target) -> str:
    """What was wanted, and whether it is so."""
    limits = (("at least", target.at_least), ("at most", target.at_most))
    wanted = ", ".join(f"{word} {format_number(limit)}" for word, limit in limits if limit is not None)
    of = "" if target.of is None else f" × {target.of}"
    verdict = {None: "not measured", True: "met", False: "missed"}[measure.is_met(target)]
    return f"{wanted}{of}: {verdict}"


def list_others(measure: Measure) -> Iterable[str]:
    """Each peer with its median, and our ratio to it; and those that were not measured, with the reason."""
    ratios = measure.ratio
    for name, peer in measure.peers.items():
        ratio = f", {format_number(ratios[name])} ×" if name in ratios else ""
        yield f"{name} {format_summary(peer)}{ratio}"
    for name, reason in measure.failures.items():
        yield f"{name} not measured: {reason}"


def make_row(measure: Measure) -> tuple[str, str, str, str, str]:
    """One measure under COLUMNS."""
    return (
        measure.name,
        measure.unit,
        format_summary(measure.ours),
        "; ".join(list_others(measure)),
        "; ".join(format_target(measure, target) for target in measure.targets),
    )
