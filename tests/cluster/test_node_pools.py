"""A task that asks for a GPU goes to the labelled, tainted pool and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from pipelines.cluster.profiles import gpu
from tests.cluster.pods import eventually, restricted_pod

pytestmark = pytest.mark.cluster
NODE = "touchstone-test-gpu"
GPU = "nvidia.com/gpu"


@pytest.fixture
def gpu_node(kube: client.ApiClient) -> Iterator[str]:
    """A node of the GPU pool as the scheduler sees one; no kubelet stands behind it, so nothing ever starts there."""
    core = client.CoreV1Api(kube)
    capacity = {"cpu": "16", "memory": "128Gi", "pods": "10", GPU: "1"}
    node = {
        "metadata": {"name": NODE, "labels": {"touchstone/pool": "gpu", "kubernetes.io/hostname": NODE}},
        "spec": {"taints": [{"key": GPU, "value": "present", "effect": "NoSchedule"}]},
    }
    core.create_node(node)
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "", "lastHeartbeatTime": _now()}
    core.patch_node_status(NODE, {"status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}})
    # A new node carries the not-ready taint until the controller has seen its condition.
    eventually(lambda: _schedulable(core), "the node's not-ready taint stayed")
    yield NODE
    core.delete_node(NODE)


def test_gpu_tasks_go_to_the_pool_and_others_do_not(kube: client.ApiClient, namespace: str, gpu_node: str) -> None:
    core = client.CoreV1Api(kube)
    core.create_namespaced_pod(namespace, _pod("placed", **_placement()))
    core.create_namespaced_pod(namespace, _pod("without-toleration", **_placement(tolerations=[])))
    core.create_namespaced_pod(namespace, _pod("without-gpu", **_placement(tolerations=[], node_selector={}, gpus=0)))
    assert eventually(lambda: _node_of(core, namespace, "placed"), "not placed") == gpu_node
    assert eventually(lambda: _node_of(core, namespace, "without-gpu"), "not placed") != gpu_node
    why = eventually(lambda: _unschedulable(core, namespace, "without-toleration"), "was placed")
    assert "untolerated taint" in why
    for name in ("placed", "without-toleration", "without-gpu"):
        core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def _placement(**changes: Any) -> dict[str, Any]:
    """What the gpu profile puts on a training pod."""
    needs = gpu().train
    assert needs.accelerator is not None
    count = changes.get("gpus", needs.accelerator.count)
    tolerations = [t.model_dump(exclude_none=True) for t in needs.tolerations]
    return {
        "nodeSelector": changes.get("node_selector", dict(needs.node_selector)),
        "tolerations": changes.get("tolerations", tolerations),
        "resources": {"limits": {needs.accelerator.resource: str(count)}} if count else {},
    }


def _pod(name: str, **spec: Any) -> dict[str, Any]:
    return restricted_pod(name, "localhost/touchstone/cpu:dev", ["true"], **spec)


def _node_of(core: client.CoreV1Api, namespace: str, name: str) -> str | None:
    return core.read_namespaced_pod(name, namespace).spec.node_name


def _unschedulable(core: client.CoreV1Api, namespace: str, name: str) -> str | None:
    for condition in core.read_namespaced_pod(name, namespace).status.conditions or ():
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            return str(condition.message)
    return None


def _schedulable(core: client.CoreV1Api) -> bool | None:
    keys = {taint.key for taint in core.read_node(NODE).spec.taints or ()}
    return True if keys == {GPU} else None


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()
