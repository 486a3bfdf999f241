"""The training runtimes say only what Kubeflow Trainer's own types know, and what our TrainJobs rely on."""

import json
from typing import Any

import pytest

from tests.chart import value_sets
from tests.chart.helm import Object, needs_helm, of_kind, render

pytestmark = needs_helm
NAMES = ["touchstone-deepspeed", "touchstone-torch", "touchstone-tpu"]


@pytest.fixture(scope="module")
def runtimes() -> dict[str, Object]:
    found = of_kind(render(value_sets.EVERYTHING), "ClusterTrainingRuntime")
    return {runtime["metadata"]["name"]: runtime for runtime in found}


def job_of(runtime: Object) -> Object:
    (replicated,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    found: Object = replicated
    return found


def pod_of(runtime: Object) -> Object:
    found: Object = job_of(runtime)["template"]["spec"]["template"]["spec"]
    return found


def test_there_are_three(runtimes: dict[str, Object]) -> None:
    assert sorted(runtimes) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_trainers_types_know_every_field(runtimes: dict[str, Object], name: str) -> None:
    from kubeflow_trainer_api import models

    given = runtimes[name]
    parsed = models.TrainerV1alpha1ClusterTrainingRuntime.from_dict(given)
    # A field that the types do not know would be dropped in silence, here as in the cluster.
    assert plain(parsed.to_dict()) == plain(given)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True, default=str))


@pytest.mark.parametrize("name", NAMES)
def test_the_trainer_finds_the_container_it_overrides(runtimes: dict[str, Object], name: str) -> None:
    replicated = job_of(runtimes[name])
    assert replicated["name"] == "node"
    labels = replicated["template"]["metadata"]["labels"]
    assert labels["trainer.kubeflow.org/trainjob-ancestor-step"] == "trainer"
    (container,) = pod_of(runtimes[name])["containers"]
    assert container["name"] == "node"
    assert container["command"] == ["python", "-m", "components.train"]


@pytest.mark.parametrize("name", NAMES)
def test_a_preempted_training_starts_again_and_a_broken_one_does_not(runtimes: dict[str, Object], name: str) -> None:
    policy = runtimes[name]["spec"]["template"]["spec"]["failurePolicy"]
    assert policy["maxRestarts"] == 0
    (rule,) = policy["rules"]
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]
    assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
    job = job_of(runtimes[name])["template"]["spec"]
    assert job["backoffLimit"] == 0
    (evicted,) = job["podFailurePolicy"]["rules"]
    assert evicted == {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    # Kubernetes refuses a podFailurePolicy with any other.
    assert pod_of(runtimes[name])["restartPolicy"] == "Never"


@pytest.mark.parametrize("name", NAMES)
def test_training_pods_have_shared_memory_and_room(runtimes: dict[str, Object], name: str) -> None:
    pod = pod_of(runtimes[name])
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod["volumes"]}
    assert volumes["shm"] == {"medium": "Memory", "sizeLimit": "16Gi"}
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"/dev/shm": "shm", "/tmp": "tmp"}


def test_gpu_runtimes_go_to_the_gpu_pool(runtimes: dict[str, Object]) -> None:
    for name in ("touchstone-torch", "touchstone-deepspeed"):
        pod = pod_of(runtimes[name])
        assert pod["nodeSelector"] == {"touchstone/pool": "gpu"}
        assert [t["key"] for t in pod["tolerations"]] == ["nvidia.com/gpu"]
        assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_tpu_runtime_agrees_with_the_profile_of_submit(runtimes: dict[str, Object]) -> None:
    from pipelines.cluster.profiles import tpu

    needs, pod = tpu().train, pod_of(runtimes["touchstone-tpu"])
    assert pod["nodeSelector"] == dict(needs.node_selector)
    assert {t["key"] for t in pod["tolerations"]} == {t.key for t in needs.tolerations}
    assert needs.accelerator is not None
    limits = pod["containers"][0]["resources"]["limits"]
    assert limits[needs.accelerator.resource] == str(needs.accelerator.count)
