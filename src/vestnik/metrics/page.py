"""The page of all metrics, as docs/reference/metrics.md has it."""

from collections.abc import Iterator
from typing import Final

from vestnik.metrics.catalogue import BUILD_INFO, CHANNEL_STOPS, METRICS, Kind, Metric, Process

HEADING: Final = """# Metrics

What `/metrics` of the API and of a worker tell, in Prometheus' text format ([how to set it
up](../how-to/monitoring.md)). A test holds this page against the code. Times are in seconds, and what ends in `_total`
only grows until its process starts anew. Every label has few values, all of them named here: campaigns, channels,
accounts and people are never labels, because their number has no bound. `mode` is TEST for everything that simulated
accounts do.

A histogram is exported as `_bucket` (with the label `le`), `_sum` and `_count`. Both processes also tell what
prometheus_client knows of every process: `python_info`, and on Linux `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds`, `process_max_fds` and
`process_start_time_seconds`.
"""
_BOTH: Final = """
## API and worker

The database counts as up for the API when the figures below could be read within 3 s, for a worker when it answered in
the last 5 s.
"""
_WORKER: Final = """
## Worker

What this process did since it started; over several workers, sum up.
"""
_API: Final = """
## API

But for the listeners this is the whole installation as the database has it, so every API process tells the same: take
the maximum over several, not the sum. It is read when somebody asks, once in 5 s at most however many do, the channels
once a minute; while the database is away these metrics are missing.
"""
_HEAD: Final = "\n| metric | type | labels | what |\n|---|---|---|---|\n"


def render_metrics_page() -> str:
    """The page."""
    groups = ((_BOTH, (Process.API, Process.WORKER)), (_WORKER, (Process.WORKER,)), (_API, (Process.API,)))
    parts = [HEADING]
    for heading, processes in groups:
        rows = [_render(metric) for metric in METRICS if tuple(metric.processes) == processes]
        parts.append(heading + _HEAD + "\n".join(rows) + "\n")
    histograms = (metric for metric in METRICS if metric.kind is Kind.HISTOGRAM)
    parts.append("\n## Bounds of the histograms\n\n" + "\n".join(map(_render_bounds, histograms)) + "\n")
    return "".join(parts)


def _render(metric: Metric) -> str:
    labels = "<br>".join(_describe_labels(metric)) or " "
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


def _describe_labels(metric: Metric) -> Iterator[str]:
    for name, values in metric.labels.items():
        if metric is BUILD_INFO and name == "version":
            yield f"`{name}`"
        elif metric is CHANNEL_STOPS and name == "reason":
            yield f"`{name}`: OPERATOR, OTHER, or the name of Telegram's [error](telegram-errors.md)"
        else:
            yield f"`{name}`: {', '.join(values)}"


def _render_bounds(metric: Metric) -> str:
    return f"* `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.buckets)}"
