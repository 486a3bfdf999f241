from typing import Any

import pytest

from pipelines.cluster.profiles import load_profile
from pipelines.doctor.finding import Status
from pipelines.doctor.node_checks import check_nodes, judge_nodes

GPU = load_profile("gpu").train
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
TPU_LABELS = {
    "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
    "cloud.google.com/gke-tpu-topology": "2x4",
}


def node(name: str = "n1", *, ready: bool = True, labels: Any = None, taints: Any = (), **allocatable: str) -> Any:
    sizes = {"cpu": "16", "memory": "128Gi"} | {
        key.replace("__", "/").replace("_", "."): v for key, v in allocatable.items()
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": list(taints)},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}], "allocatable": sizes},
    }


def gpu_node(**more: Any) -> Any:
    given = {"labels": {"touchstone/pool": "gpu"}, "taints": [TAINT], "nvidia_com__gpu": "1", **more}
    return node("g1", **given)


def test_every_kind_of_task_is_looked_at_and_equal_ones_once(cluster: Any) -> None:
    scope, _ = cluster({"GET /api/v1/nodes": {"items": [node(), gpu_node()]}}, profile=load_profile("gpu"))
    findings = check_nodes(scope)
    assert [(f.subject, f.status) for f in findings] == [
        ("cpu tasks", Status.OK),
        ("train, generate tasks", Status.OK),
    ]
    assert findings[1].found == "g1 with 16 CPU and 128.0 GiB"


def test_a_tpu_pool_is_known_by_its_labels_and_chips(cluster: Any) -> None:
    taint = {"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}
    tpu = node("t1", labels=TPU_LABELS, taints=[taint], google_com__tpu="8", cpu="112", memory="188Gi")
    needs = load_profile("tpu").train
    assert judge_nodes([node(), tpu], needs, "train").status is Status.OK
    other = node("t2", labels={**TPU_LABELS, "cloud.google.com/gke-tpu-topology": "4x4"}, google_com__tpu="4")
    found = judge_nodes([node(), other], needs, "train")
    assert (found.status, "2x4" in found.remedy) == (Status.FAILED, True)


@pytest.mark.parametrize(
    ("nodes", "found", "remedy"),
    [
        ([gpu_node(ready=False)], "none of 1 nodes is ready", "kubectl get nodes"),
        ([node()], "no ready node carries touchstone/pool=gpu", "kubectl label node NODE touchstone/pool=gpu"),
        ([gpu_node(nvidia_com__gpu="0")], "g1 offers 0 nvidia.com/gpu", "device plugin"),
        (
            [gpu_node(taints=[TAINT, {"key": "dedicated", "effect": "NoExecute"}])],
            "g1: dedicated:NoExecute",
            "kubectl taint node g1 dedicated-",
        ),
        ([gpu_node(memory="60Gi")], "g1, has 16 CPU and 60.0 GiB", "--profile FILE"),
        ([gpu_node(cpu="5900m")], "g1, has 5900m CPU", "--profile FILE"),
    ],
)
def test_what_keeps_a_gpu_task_away_is_told(nodes: Any, found: str, remedy: str) -> None:
    finding = judge_nodes(nodes, GPU, "train")
    assert finding.status is Status.FAILED
    assert found in finding.found
    assert remedy in finding.remedy
    assert "64Gi memory" in finding.expected
    assert "1 nvidia.com/gpu" in finding.expected


def test_a_cordoned_node_takes_nothing() -> None:
    cordoned = gpu_node()
    cordoned["spec"]["unschedulable"] = True
    assert judge_nodes([cordoned], GPU, "train").status is Status.FAILED


def test_a_gpu_node_that_is_open_to_all_is_a_warning() -> None:
    finding = judge_nodes([gpu_node(taints=[])], GPU, "train")
    assert finding.status is Status.WARNING
    assert finding.remedy == "kubectl taint node g1 nvidia.com/gpu=present:NoSchedule"


def test_a_taint_that_only_prefers_keeps_nothing_away() -> None:
    soft = node(taints=[{"key": "spot", "effect": "PreferNoSchedule"}])
    assert judge_nodes([soft], load_profile("cpu").cpu, "cpu").status is Status.OK


def test_a_small_node_beside_a_large_one_does_not_matter() -> None:
    finding = judge_nodes([gpu_node(memory="1Gi"), gpu_node()], GPU, "train")
    assert finding.status is Status.OK
