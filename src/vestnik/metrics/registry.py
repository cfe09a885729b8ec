"""From the catalogue to prometheus_client's objects, and from those to the text that is scraped."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as PrometheusFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from vestnik import __version__
from vestnik.metrics.catalogue import (
    BUILD_INFO,
    OTHER,
    POOL_CONNECTIONS,
    POOL_SIZE,
    Kind,
    Metric,
    PoolState,
    Process,
)

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

Family: TypeAlias = PrometheusFamily
"""A metric with all its series of one moment."""
Samples = Mapping[tuple[str, ...], float]
"""Values by those of the labels, in the order of the catalogue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolUse:
    """Connections of a pool; there are at most `size`."""

    size: int
    in_use: int
    idle: int


def make_registry(process: Process) -> CollectorRegistry:
    """A registry with what every process tells of itself: version, memory, processor time, open files."""
    # A second series for each, with the time at which it was made, is more than the text format knows.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    make_gauge(BUILD_INFO, registry).labels(__version__, process).set(1)
    return registry


def make_counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """One that only grows."""
    assert metric.kind is Kind.COUNTER
    return Counter(metric.name, metric.help, tuple(metric.labels), registry=registry)


def make_gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """One that goes up and down."""
    assert metric.kind is Kind.GAUGE
    return Gauge(metric.name, metric.help, tuple(metric.labels), registry=registry)


def make_histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """One that counts how many were how large."""
    assert metric.kind is Kind.HISTOGRAM
    return Histogram(
        metric.name, metric.help, tuple(metric.labels), registry=registry, buckets=metric.buckets
    )


def make_family(metric: Metric, samples: Samples) -> Family:
    """A gauge with all its values of this moment; what the catalogue does not list is summed up as OTHER."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=tuple(metric.labels))
    listed: dict[tuple[str, ...], float] = {}
    for values, number in samples.items():
        key = tuple(
            str(value) if value in known else OTHER
            for value, known in zip(values, metric.labels.values(), strict=True)
        )
        listed[key] = listed.get(key, 0.0) + number
    for key, number in listed.items():
        family.add_metric(key, number)
    return family


class CurrentFigures(Collector):
    """Families that are made when somebody asks, of what is so at that moment."""

    def __init__(self, read: Callable[[], Iterator[Family]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        """Ask."""
        return self._read()

    def describe(self) -> Iterator[Family]:
        """Nothing: the catalogue does it, and there may be nothing to read yet."""
        return iter(())


def show_pool(use: PoolUse) -> Iterator[Family]:
    """The pool of connections to the database."""
    yield make_family(POOL_SIZE, {(): use.size})
    yield make_family(POOL_CONNECTIONS, {(PoolState.IN_USE,): use.in_use, (PoolState.IDLE,): use.idle})


def render(registry: CollectorRegistry) -> bytes:
    """The text format 0.0.4, which everything that scrapes can read."""
    return generate_latest(registry)
