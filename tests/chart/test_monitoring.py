"""Dashboard, alerts and monitors speak of metrics that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contracts.metrics import DESCRIPTIONS
from components.crowd import app, counts
from components.train.watching.gauges import GAUGES as TRAINING
from tests.chart import value_sets
from tests.chart.helm import CHART, Object, find, needs_helm, of_kind, render

METRIC = re.compile(r"\b(?:touchstone|minio)_[a-z0-9_]+")
# What a histogram or a counter is called when it is read.
CROWD = {app.REQUESTS, f"{app.SECONDS}_bucket", f"{app.SECONDS}_count", f"{app.SECONDS}_sum"}
RATINGS = {counts.VOTES: {"study", "kind"}, counts.REFUSED: {"reason"}, **{key: {"study"} for key in counts.GAUGES}}
ROUTES = {"/readyz", "/healthz", "/metrics", "/r/{token}", "/r/{token}/vote", "/r/{token}/problem"}
"""Paths as requests are counted by; tests/unit/crowd/test_app.py holds them to the service."""
MINIO = {"minio_cluster_capacity_usable_free_bytes", "minio_cluster_capacity_usable_total_bytes"}
KNOWN = {*DESCRIPTIONS, *TRAINING, *CROWD, *RATINGS, *MINIO}
SHOWN = {
    "touchstone_step_seconds",
    "touchstone_steps_total",
    "touchstone_rows_total",
    "touchstone_store_bytes_total",
    "touchstone_store_retries_total",
    "touchstone_train_tokens_per_second",
    "touchstone_gate_passed",
    app.REQUESTS,
    f"{app.SECONDS}_bucket",
    *RATINGS,
}


def alerts(objects: list[Object]) -> dict[str, Any]:
    """Name -> rule, each name once."""
    (rule,) = of_kind(objects, "PrometheusRule")
    rules = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    found = {alert["alert"]: alert for alert in rules}
    assert len(found) == len(rules)
    return found


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
    return found


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        yield json.dumps(variable)


def test_the_dashboard_shows_every_metric_and_no_other(dashboard: dict[str, Any]) -> None:
    used = {name for expression in expressions(dashboard) for name in METRIC.findall(expression)}
    assert used <= KNOWN
    assert used >= SHOWN


def test_the_dashboards_selectors_use_labels_that_the_metrics_have(dashboard: dict[str, Any]) -> None:
    pushed = {"step", "task", "run", "part", "job"}
    for expression in expressions(dashboard):
        for name, selector in re.findall(r"(touchstone_[a-z_]+)\{([^}]*)\}", expression):
            requests = {"path", "status", "le"}
            own = set(DESCRIPTIONS[name][1]) | pushed if name in DESCRIPTIONS else RATINGS.get(name, requests)
            assert set(re.findall(r"(\w+)[=!]", selector)) <= own, expression


def test_panels_do_not_overlap_and_every_one_is_explained(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["targets"]
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


@needs_helm
def test_the_dashboard_arrives_whole(dashboard: dict[str, Any]) -> None:
    made = find(render(value_sets.EVERYTHING), "ConfigMap", "touchstone-dashboard")
    assert json.loads(made["data"]["touchstone.json"]) == dashboard
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"


@needs_helm
def test_alerts_speak_of_metrics_that_exist() -> None:
    found = alerts(render(value_sets.EVERYTHING))
    assert len(found) >= 10
    for alert in found.values():
        assert set(METRIC.findall(alert["expr"])) <= KNOWN, alert["alert"]
        assert alert["expr"].count("(") == alert["expr"].count(")")
        assert set(alert["annotations"]) == {"summary", "description"}
        assert alert["labels"]["severity"] in {"info", "warning", "critical"}


@needs_helm
def test_alerts_and_panels_look_at_routes_that_there_are(dashboard: dict[str, Any]) -> None:
    told = alerts(render(value_sets.EVERYTHING))
    seen = [*expressions(dashboard), *(alert["expr"] for alert in told.values())]
    for pattern in {found for expression in seen for found in re.findall(r'path!?=~?"([^"]*)"', expression)}:
        for one in pattern.split("|"):
            assert any(re.fullmatch(one, route) for route in ROUTES), pattern
    assert re.findall(r'path=~"([^"]*)"', told["TouchstoneCrowdSlow"]["expr"]) == ["/r/.*"]


@needs_helm
def test_a_training_and_a_study_that_stand_still_are_told() -> None:
    told = alerts(render(value_sets.EVERYTHING))
    assert set(METRIC.findall(told["TouchstoneTrainingSilent"]["expr"])) == {
        "touchstone_training_step",
        "touchstone_training_steps",
        "touchstone_steps_total",
    }
    silent = told["TouchstoneCrowdSilent"]
    assert set(METRIC.findall(silent["expr"])) <= set(RATINGS)
    assert "{{ $labels.study }}" in silent["annotations"]["summary"], "left to Prometheus by Helm"


@needs_helm
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_alerts_fire_when_they_should_and_panels_ask_what_prometheus_understands(
    dashboard: dict[str, Any], tmp_path: Path
) -> None:
    (rule,) = of_kind(render(value_sets.EVERYTHING), "PrometheusRule")
    panels = [expression for expression in expressions(dashboard) if not expression.startswith("{")]
    asked = [{"record": f"panel_{n}", "expr": panel.replace("$run", ".*")} for n, panel in enumerate(panels)]
    groups = [*rule["spec"]["groups"], {"name": "panels", "rules": asked}]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": groups}))
    shutil.copy(Path(__file__).parent / "alert_cases.yaml", tmp_path)
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "alert_cases.yaml"]):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
def test_alerts_of_what_is_not_installed_are_left_out() -> None:
    (rule,) = of_kind(render({**value_sets.EXTERNAL, "monitoring": {"alerts": {"enabled": True}}}), "PrometheusRule")
    assert "touchstone-store" not in {group["name"] for group in rule["spec"]["groups"]}


@needs_helm
def test_monitors_select_pods_and_ports_that_exist() -> None:
    objects = render(value_sets.EVERYTHING)
    monitors = of_kind(objects, "PodMonitor")
    assert len(monitors) == 3
    for monitor in monitors:
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (pod,) = [p for p in pods(objects) if wanted.items() <= p["metadata"]["labels"].items()]
        names = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= names
        assert monitor["metadata"]["labels"]["release"] == "prometheus"


def pods(objects: list[Object]) -> list[Object]:
    return [made["spec"]["template"] for made in of_kind(objects, "Deployment", "StatefulSet")]


@needs_helm
def test_the_pushgateways_labels_are_the_tasks() -> None:
    monitor = find(render(value_sets.EVERYTHING), "PodMonitor", "touchstone-pushgateway")
    assert monitor["spec"]["podMetricsEndpoints"][0]["honorLabels"] is True


@needs_helm
def test_nothing_is_monitored_unless_asked() -> None:
    assert not of_kind(render(), "PodMonitor", "PrometheusRule")
