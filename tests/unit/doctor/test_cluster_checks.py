from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.cluster.profiles import load_profile
from pipelines.doctor.cluster_checks import (
    NEWEST_TESTED,
    OLDEST_KUBERNETES,
    check_pipelines_installed,
    check_storage_class,
    check_trainer,
)
from pipelines.doctor.finding import Status

DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
CLASSES = "GET /apis/storage.k8s.io/v1/storageclasses"
TRAINER = "GET /apis/trainer.kubeflow.org/v1alpha1"
RUNTIMES = f"{TRAINER}/clustertrainingruntimes"
SERVED = {"resources": [{"name": "trainjobs"}, {"name": "trainjobs/status"}]}


ROOT = Path(__file__).parents[3]


def pins() -> dict[str, str]:
    lines = (ROOT / "infra" / "versions.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_range_of_versions_is_the_one_that_the_chart_and_infra_state() -> None:
    assert pins()["KUBERNETES_VERSION"] == ".".join(map(str, NEWEST_TESTED))
    chart = yaml.safe_load((ROOT / "charts/touchstone/Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={'.'.join(map(str, OLDEST_KUBERNETES))}.0-0"


def test_what_is_installed_is_what_infra_pins() -> None:
    # The commands that the doctor prints take the versions from the packages.
    assert (pins()["KFP_VERSION"], pins()["TRAINER_VERSION"]) == (version("kfp"), version("kubeflow-trainer-api"))


def storage(**classes: bool) -> dict[str, Any]:
    items = [{"metadata": {"name": n, "annotations": DEFAULT if d else None}} for n, d in classes.items()]
    return {CLASSES: {"items": items}}


def runtimes(*names: str) -> dict[str, Any]:
    return {TRAINER: SERVED, RUNTIMES: {"items": [{"metadata": {"name": name}} for name in names]}}


def test_kubeflow_pipelines_is_known_by_its_workflows(cluster: Any) -> None:
    scope, _ = cluster({"GET /apis/argoproj.io/v1alpha1": {"resources": [{"name": "workflows"}]}})
    assert check_pipelines_installed(scope)[0].status is Status.OK


@pytest.mark.parametrize("answers", [{}, {"GET /apis/argoproj.io/v1alpha1": {"resources": [{"name": "eventsources"}]}}])
def test_without_kubeflow_pipelines_its_installation_is_what_to_type(cluster: Any, answers: dict[str, Any]) -> None:
    scope, _ = cluster(answers)
    [finding] = check_pipelines_installed(scope)
    assert finding.status is Status.FAILED
    assert "kubectl apply -k" in finding.remedy
    assert "?ref=2." in finding.remedy


def test_the_trainer_is_asked_about_only_where_it_is_needed(cluster: Any) -> None:
    scope, server = cluster()
    assert check_trainer(scope)[0].status is Status.SKIPPED
    assert server.requests == []


def test_a_missing_trainer_is_installed_first(cluster: Any) -> None:
    scope, _ = cluster(trainjob=True)
    [finding] = check_trainer(scope)
    assert finding.status is Status.FAILED
    assert "kubectl apply --server-side -k" in finding.remedy


def test_the_tpu_runtime_is_needed_on_tpus_only(cluster: Any) -> None:
    there = runtimes("touchstone-torch", "touchstone-deepspeed", "another")
    scope, _ = cluster(there, trainjob=True)
    assert check_trainer(scope)[0].status is Status.OK
    scope, _ = cluster(there, trainjob=True, profile=load_profile("tpu"))
    [finding] = check_trainer(scope)
    assert (finding.status, finding.found) == (Status.FAILED, "no ClusterTrainingRuntime touchstone-tpu")
    assert "helm upgrade --install" in finding.remedy


def test_one_default_storage_class_is_right(cluster: Any) -> None:
    scope, _ = cluster(storage(fast=False, standard=True))
    [finding] = check_storage_class(scope)
    assert (finding.status, finding.found) == (Status.OK, "standard is the default")


@pytest.mark.parametrize(
    ("classes", "status", "command"),
    [
        ({}, Status.FAILED, "kubectl get storageclass"),
        (
            {"fast": False},
            Status.FAILED,
            """patch storageclass fast -p '{"metadata":{"annotations":{"%s":"true"}}}' """,
        ),
        (
            {"a": True, "b": True},
            Status.WARNING,
            """patch storageclass b -p '{"metadata":{"annotations":{"%s":"false"}}}' """,
        ),
    ],
)
def test_another_number_of_defaults_is_told(
    cluster: Any, classes: dict[str, bool], status: Status, command: str
) -> None:
    scope, _ = cluster(storage(**classes))
    [finding] = check_storage_class(scope)
    assert finding.status is status
    assert command.replace("%s", next(iter(DEFAULT))).strip() in finding.remedy
