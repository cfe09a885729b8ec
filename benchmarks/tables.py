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


def format_peer(measure: Measure, name: str) -> str:
    """A peer's median and our ratio to it, where there is one that means something; empty where it has none."""
    peer = measure.peers.get(name)
    if peer is None:
        return ""
    ratio = measure.ratio.get(name, 0.0)
    # What may lie on either side of nothing, such as a deviation, is not so many times another.
    shown = f"; {format_number(ratio)} ×" if ratio > 0 and peer.median > 0 else ""
    return format_summary(peer) + shown


def list_others(measure: Measure) -> Iterable[str]:
    """Each peer, and those that were not measured, with the reason."""
    for name in measure.peers:
        yield f"{name} {format_peer(measure, name)}"
    for name, reason in measure.failures.items():
        yield f"{name} not measured: {reason}"


def make_row(measure: Measure) -> tuple[str, str, str, str, str]:
    """One measure under COLUMNS."""
    return (
        measure.name,
        measure.unit,
        format_summary(measure.ours),
        ", ".join(list_others(measure)),
        "; ".join(format_target(measure, target) for target in measure.targets),
    )
