"""The alert rules and the dashboard ask for metrics and labels that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.unit.deploy.queries import list_grouping_labels, list_selectors
from vestnik.metrics.catalogue import BUILD_INFO, METRICS, Kind, Metric

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "vestnik-alerts.yml"
CASES = Path(__file__).parent / "alert_cases.yml"
DASHBOARD = DEPLOY / "grafana" / "vestnik.json"
PROMTOOL = shutil.which("promtool")

OURS = {series: metric for metric in METRICS for series in metric.series}
OF_PROMETHEUS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""What Prometheus itself adds, and what prometheus_client tells of every process."""
OF_SCRAPING = {"job", "instance"}
VARIABLES = {"$__rate_interval": "5m", "$mode": "LIVE|TEST"}


def read_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def read_panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"])


def list_targets() -> Iterator[tuple[str, str, str]]:
    """(panel, query, words of the legend)."""
    for panel in read_panels():
        for target in panel.get("targets", ()):
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            assert "$" not in query, query
            yield panel["title"], query, target.get("legendFormat", "")


QUERIES = [
    *((rule["alert"], rule["expr"], json.dumps(rule["annotations"])) for rule in read_rules()),
    *list_targets(),
]


def list_labels(metric: Metric, series: str) -> set[str]:
    is_bucket = metric.kind is Kind.HISTOGRAM and series.endswith("_bucket")
    return {*metric.labels, *OF_SCRAPING, *({"le"} if is_bucket else ())}


@pytest.mark.parametrize(("title", "query", "words"), QUERIES)
def test_a_query_names_only_what_is_exported(title: str, query: str, words: str) -> None:
    selectors = list(list_selectors(query))
    assert selectors
    known: set[str] = set()
    for selector in selectors:
        if selector.name in OF_PROMETHEUS:
            known |= OF_SCRAPING
            continue
        assert selector.name in OURS, f"{title}: there is no {selector.name}"
        metric = OURS[selector.name]
        known |= list_labels(metric, selector.name)
        for matcher in selector.matchers:
            assert matcher.label in {*metric.labels, "job"}, (title, selector.name, matcher.label)
            if matcher.label != "job" and metric is not BUILD_INFO:
                assert matcher.finds_one_of([*metric.labels[matcher.label]]), (title, matcher)
    grouped = list_grouping_labels(query)
    assert grouped <= known, (title, grouped - known)
    shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", words))
    # An aggregation keeps only the labels that it groups by.
    assert shown <= (grouped or known), (title, shown - grouped)


@pytest.mark.parametrize("series", sorted(OURS))
def test_every_metric_is_looked_at_somewhere(series: str) -> None:
    asked = {selector.name for _, query, _ in QUERIES for selector in list_selectors(query)}
    metric = OURS[series]
    assert asked & set(metric.series) or metric.name in {
        "vestnik_claimed_jobs_total", "vestnik_account_hold_seconds_total",
    }  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "sum(vestnik_sends)",
        'vestnik_sends_total{result="GONE"}',
        'vestnik_sends_total{result=~"SENT|GONE"}',
        "sum by (channel) (vestnik_sends_total)",
        'vestnik_jobs{state="SENT"}',
        "rate(vestnik_slot_lateness_seconds[5m])",
    ],
)
def test_this_test_finds_what_there_is_not(query: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        test_a_query_names_only_what_is_exported("planted", query, "")


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    rules = read_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["annotations"]["description"].endswith((".", ")", "?"))


def test_panels_have_a_place_of_their_own() -> None:
    panels = read_panels()
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):  # fmt: skip
            assert cell not in taken, (panel["title"], taken.get(cell))
            taken[cell] = panel["title"]


def run_promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Prometheus")
def test_prometheus_itself_can_read_the_rules_and_every_query_of_the_dashboard(tmp_path: Path) -> None:
    run_promtool("check", "rules", str(RULES))
    queries = [
        {"record": f"panel:{number}", "expr": query} for number, (_, query, _) in enumerate(list_targets())
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": queries}]}), encoding="utf-8")
    run_promtool("check", "rules", str(file))


@pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Prometheus")
def test_alerts_come_and_go_as_they_should(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    run_promtool("test", "rules", str(shutil.copy(CASES, tmp_path)))
