"""What a process exports is what the catalogue says, and never more."""

import re
from itertools import product

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vestnik.domain.states import AccountKind, AccountState, HoldScope, JobStatus, PauseReason
from vestnik.domain.transport import ErrorClass
from vestnik.metrics.catalogue import (
    BUILD_INFO,
    CHANNEL_REASONS,
    CHANNEL_STOPS,
    METRICS,
    OTHER,
    RESULTS,
    Kind,
    LeaseChange,
    Origin,
    Process,
)
from vestnik.metrics.delivery import WorkerMetrics
from vestnik.metrics.registry import PoolUse, make_family
from vestnik.telegram.error_names import NAME_CLASSES

UNITS = ("_seconds", "_seconds_total", "_bytes", "_total", "_info")
COUNTED = re.compile(r"vestnik_[a-z_]+")


def make_busy_metrics() -> WorkerMetrics:
    """Of a worker to which everything has happened."""
    metrics = WorkerMetrics()
    metrics.watch_database(lambda: True, lambda: PoolUse(size=5, in_use=2, idle=1))
    for change in LeaseChange:
        metrics.note_lease(change)
    for kind in AccountKind:
        meter = metrics.meter(kind)
        for origin, result in product(Origin, RESULTS):
            meter.begin_send()
            meter.end_send(origin, result, 0.2)
        meter.note_launch(0.001)
        meter.note_claim(0.01, 3)
        meter.note_waiting(2)
        meter.note_recorded(0.02, dict.fromkeys(JobStatus, 1))
        for scope, reason in product(HoldScope, ("FLOOD_WAIT", "SOMETHING_NEW_WAIT")):
            meter.note_hold(scope, 30.0, reason)
        for state in AccountState:
            meter.note_block(state)
        for pause in PauseReason:
            meter.note_pause(pause)
        meter.note_completed()
        meter.note_lanes(1)
        meter.note_crash()
    return metrics


def test_a_worker_exports_each_of_its_metrics_and_no_label_that_the_catalogue_does_not_list() -> None:
    exported = {
        family.name if family.type != "counter" else f"{family.name}_total": family
        for family in text_string_to_metric_families(make_busy_metrics().render().decode())
    }
    of_worker = {metric.name: metric for metric in METRICS if Process.WORKER in metric.processes}
    assert {name for name in exported if name.startswith("vestnik_")} == set(of_worker)
    for name, metric in of_worker.items():
        assert (exported[name].type, exported[name].documentation) == (metric.kind, metric.help)
        for sample in exported[name].samples:
            assert sample.name in metric.series
            labels = {key: value for key, value in sample.labels.items() if key != "le"}
            assert set(labels) == set(metric.labels), name
            if metric is not BUILD_INFO:
                assert all(value in metric.labels[key] for key, value in labels.items()), (name, labels)


def test_all_series_are_there_before_anything_has_happened() -> None:
    """A counter that appears with its first event hides that event from rate() and increase()."""
    fresh = {
        (sample.name, *sorted(sample.labels.items()))
        for family in text_string_to_metric_families(WorkerMetrics().render().decode())
        for sample in family.samples
        if family.type == "counter"
    }
    busy = {
        (sample.name, *sorted(sample.labels.items()))
        for family in text_string_to_metric_families(make_busy_metrics().render().decode())
        for sample in family.samples
        if family.type == "counter"
    }
    assert busy == fresh


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions_and_the_number_of_series_has_a_bound(metric) -> None:
    assert COUNTED.fullmatch(metric.name)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
    assert list(metric.buckets) == sorted(metric.buckets)
    assert not {"channel", "campaign", "user", "account", "host", "le"} & set(metric.labels)
    number = len(list(product(*metric.labels.values()))) * (len(metric.buckets) + 3)
    assert number <= 300, number
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith(UNITS)
    assert metric.help.endswith(".")


def test_names_are_used_once() -> None:
    names = [series for metric in METRICS for series in metric.series]
    assert len(names) == len(set(names))


def test_the_reasons_for_which_channels_are_stopped_are_those_of_the_table_of_errors() -> None:
    stopping = {
        ErrorClass.CHANNEL,
        ErrorClass.CHANNEL_FOR_ALL,
        ErrorClass.CHANNEL_BANNED,
        ErrorClass.REFRESH_PEER,
    }
    names = {name for name, error_class in NAME_CLASSES.items() if error_class in stopping}
    assert {*CHANNEL_REASONS} == {*names, "OPERATOR", OTHER}


def test_what_no_list_has_is_summed_up_as_other() -> None:
    family = make_family(
        CHANNEL_STOPS, {("ALL", "CHANNEL_PRIVATE"): 2, ("ALL", "TIMEOUT"): 3, ("ALL", "NEW_NAME"): 4}
    )
    values = {(sample.labels["scope"], sample.labels["reason"]): sample.value for sample in family.samples}
    assert values == {("ALL", "CHANNEL_PRIVATE"): 2, ("ALL", OTHER): 7}
