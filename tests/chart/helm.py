"""Renders the chart with the program `helm`: values in, Kubernetes objects out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts" / "touchstone"
NAMESPACE = "study"
RELEASE = "touchstone"
# The oldest that Chart.yaml admits; named, because a helm built from source may take itself for Kubernetes 1.20.
KUBERNETES = "1.29.0"
TRAINER_API = "trainer.kubeflow.org/v1alpha1/ClusterTrainingRuntime"
TIMEOUT_SECONDS = 60

# The one in C where PyYAML has it: the dashboard alone is 600 lines.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Object = dict[str, Any]

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="the program helm is not on PATH")


def call(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm without the caller's cluster: templates must not depend on what happens to be installed there."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return subprocess.run(
        ["helm", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env={**environment, "KUBECONFIG": os.devnull},
        cwd=folder,
    )


def template(
    values: Mapping[str, Any] | None = None, *apis: str, chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """`helm template` with `values` over the chart's own, for a cluster that serves `apis`."""
    command = ["template", RELEASE, str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES]
    for api in apis:
        command += ["--api-versions", api]
    for path, value in _flat(values or {}):
        command += ["--set-json", f"{path}={json.dumps(value)}"]
    return call(*command)


def render(values: Mapping[str, Any] | None = None, *apis: str, chart: Path = CHART) -> list[Object]:
    """Every object the chart makes of `values`; hooks included."""
    done = template(values, *apis, chart=chart)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, LOADER) if document]


def refusal(values: Mapping[str, Any]) -> str:
    """What helm says against `values`."""
    done = template(values)
    assert done.returncode != 0, "the values were accepted"
    return done.stderr


def find(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The one object of that kind and name."""
    (found,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [o for o in objects if o["kind"] in kinds]


def pod_templates(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """Name and pod template of everything that makes pods, training runtimes included."""
    for made in objects:
        name = f"{made['kind']}/{made['metadata']['name']}"
        if made["kind"] == "Pod":
            yield name, made
        elif made["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"}:
            yield name, made["spec"]["template"]
        elif made["kind"] == "CronJob":
            yield name, made["spec"]["jobTemplate"]["spec"]["template"]
        elif made["kind"] == "ClusterTrainingRuntime":
            for job in made["spec"]["template"]["spec"]["replicatedJobs"]:
                yield f"{name}/{job['name']}", job["template"]["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    """A pod template's containers, the ones that run first included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        word = key.replace(".", "\\.")
        path = f"{above}.{word}" if above else word
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield path, value
