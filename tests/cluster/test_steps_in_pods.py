"""Every step runs in its image as a restricted pod, through S3, and makes what it makes here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from components.contracts import images as logical
from components.contracts.detached import remote_manifest
from components.contracts.object_store import open_store
from tests.cluster.finished_work import IN_TORCH_IMAGE, Work
from tests.cluster.pods import eventually, restricted_pod, run_to_end
from tests.cluster.release import Release

pytestmark = pytest.mark.cluster
STEP_SECONDS = 300.0


def pod_for(work: Work, images: Mapping[str, str], release: Release, prefix: str) -> dict[str, Any]:
    """A pod that does a piece of work on addresses below `prefix`; its inputs are uploaded first."""
    store = open_store(release.store_address)
    ports = []
    for port, folder in work.inputs.items():
        digest = remote_key(folder)
        store.upload(folder, f"in/{digest}")
        ports += [f"--{port}", f"{release.store_address}/in/{digest}"]
    for port in work.outputs:
        ports += [f"--{port}", f"{release.store_address}/{prefix}/{port}"]
    name = logical.TRAIN if work.step in IN_TORCH_IMAGE else logical.CPU
    command = ["touchstone", "step", work.step, "--params", json.dumps(work.params), *ports]
    return restricted_pod(
        work.step.replace("_", "-"),
        images[name],
        command,
        env_from=release.store_env,
        resources={"requests": {"cpu": "200m", "memory": "512Mi"}, "limits": {"memory": "3Gi"}},
    )


def remote_key(folder: Path) -> str:
    from components.contracts import manifest as manifests

    return manifests.read(folder).digest


def test_every_step_makes_in_a_pod_what_it_makes_here(
    work_done_here: list[Work], images: Mapping[str, str], release: Release, kube: client.ApiClient
) -> None:
    core = client.CoreV1Api(kube)
    differing = []
    for work in work_done_here:
        run_to_end(core, release.namespace, pod_for(work, images, release, f"out/{work.step}"), seconds=STEP_SECONDS)
        core.delete_namespaced_pod(work.step.replace("_", "-"), release.namespace, grace_period_seconds=0)
        for port, here in work.outputs.items():
            there = remote_manifest(f"{release.store_address}/out/{work.step}/{port}")
            if there.digest != here.digest:
                differing.append(f"{work.step}.{port}")
    assert differing == []
    assert {work.step for work in work_done_here} >= {"build_world", "validate", "score", "style", "report", "compare"}


def as_job(pod: dict[str, Any], name: str) -> dict[str, Any]:
    spec = {**pod["spec"], "restartPolicy": "Never"}
    template = {"metadata": pod["metadata"] | {"name": None}, "spec": spec}
    job = {"backoffLimit": 6, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": job}


def test_a_killed_pod_and_a_killed_store_in_the_middle_of_a_step_lose_nothing(
    work_done_here: list[Work], images: Mapping[str, str], release: Release, kube: client.ApiClient
) -> None:
    core, batch = client.CoreV1Api(kube), client.BatchV1Api(kube)
    work = next(work for work in work_done_here if work.step == "pretrain")
    batch.create_namespaced_job(release.namespace, as_job(pod_for(work, images, release, "out/killed"), "killed"))
    first = eventually(lambda: running(core, release.namespace, "job-name=killed"), "no pod of the job ran")
    core.delete_namespaced_pod(first, release.namespace, grace_period_seconds=0)
    second = eventually(lambda: running(core, release.namespace, "job-name=killed"), "the job did not try again")
    assert second != first
    core.delete_namespaced_pod(release.minio_pod, release.namespace, grace_period_seconds=0)
    eventually(lambda: succeeded(batch, release.namespace, "killed"), "the job did not succeed", seconds=STEP_SECONDS)
    for port, here in work.outputs.items():
        assert remote_manifest(f"{release.store_address}/out/killed/{port}").digest == here.digest, port


def test_an_upgrade_of_the_chart_leaves_a_running_step_alone(
    work_done_here: list[Work], images: Mapping[str, str], release: Release, kube: client.ApiClient
) -> None:
    core, batch = client.CoreV1Api(kube), client.BatchV1Api(kube)
    work = next(work for work in work_done_here if work.step == "pretrain")
    batch.create_namespaced_job(release.namespace, as_job(pod_for(work, images, release, "out/upgraded"), "upgraded"))
    pod = eventually(lambda: running(core, release.namespace, "job-name=upgraded"), "no pod of the job ran")
    release.upgrade("--set", "objectStore.prefix=moved")
    eventually(lambda: succeeded(batch, release.namespace, "upgraded"), "the job did not succeed", seconds=STEP_SECONDS)
    assert core.read_namespaced_pod(pod, release.namespace).status.phase == "Succeeded", "the upgrade replaced the pod"
    for port, here in work.outputs.items():
        assert remote_manifest(f"{release.store_address}/out/upgraded/{port}").digest == here.digest, port


def running(core: client.CoreV1Api, namespace: str, selector: str) -> str | None:
    for pod in core.list_namespaced_pod(namespace, label_selector=selector).items:
        if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None:
            return str(pod.metadata.name)
    return None


def succeeded(batch: client.BatchV1Api, namespace: str, name: str) -> bool | None:
    return True if batch.read_namespaced_job(name, namespace).status.succeeded else None
