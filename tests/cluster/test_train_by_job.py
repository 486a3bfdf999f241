"""The train step itself, its work done by a TrainJob: inputs and imitator travel through the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from components.contracts import bind, detached
from components.contracts import images as logical
from components.contracts.ports import Checkpoint, Input
from components.train import step
from tests.cluster.finished_work import Work
from tests.cluster.played_trainer import PlayedTrainer
from tests.cluster.release import Release
from tests.cluster.trainer_crds import GROUP, VERSION

pytestmark = pytest.mark.cluster
RUNTIME = "touchstone-torch"


@pytest.fixture
def trainer(kube: client.ApiClient, release: Release, trainer_types: None, images: Mapping[str, str]) -> Iterator[None]:
    """The Trainer, played, with a runtime that trains in our image without a GPU."""
    custom = client.CustomObjectsApi(kube)
    container = {
        "name": "node",
        "image": images[logical.TRAIN],
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    node = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    runtime = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": RUNTIME},
        "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [node]}}},
    }
    custom.create_cluster_custom_object(GROUP, VERSION, "clustertrainingruntimes", runtime)
    played = PlayedTrainer(kube, release.namespace)
    played.start()
    yield
    played.stop()
    custom.delete_cluster_custom_object(GROUP, VERSION, "clustertrainingruntimes", RUNTIME)


def call(work: Work, params: Mapping[str, Any], checkpoint: Path) -> bind.Outcome:
    curve = checkpoint.with_name(f"{checkpoint.name}-curve")
    return bind.call(step.train, params=params, **work.inputs, checkpoint=checkpoint, curve=curve)


def test_an_imitator_trained_by_a_job_equals_the_one_trained_here(
    work_done_here: list[Work],
    release: Release,
    trainer: None,
    kube: client.ApiClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = next(work for work in work_done_here if work.step == "train")
    monkeypatch.setenv("TOUCHSTONE_STORE", release.store_address)
    monkeypatch.setenv("TOUCHSTONE_NAMESPACE", release.namespace)
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    cluster = {"runtime": RUNTIME, "memory": "2Gi", "cpu": "500m"}
    outcome = call(work, {**work.params, "cluster": cluster}, tmp_path / "made")

    assert not outcome.reused
    assert outcome.metrics["train_job_seconds"] > 0
    imitator = Input(tmp_path / "made", Checkpoint)
    assert imitator.digest == work.outputs["checkpoint"].digest
    assert detached.address_of(tmp_path / "made") is not None, "the imitator stays where the job put it"
    assert (imitator.folder / "model.safetensors").is_file()
    left = client.CustomObjectsApi(kube).list_namespaced_custom_object(GROUP, VERSION, release.namespace, "trainjobs")
    assert left["items"] == []

    again = call(work, {**work.params, "cluster": cluster}, tmp_path / "found")
    assert again.reused, "found in the store, without a second job"
    assert Input(tmp_path / "found", Checkpoint).digest == imitator.digest
