"""Reasons from Kubernetes objects recorded on a real cluster (1.34), with the Trainer's conditions played."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from components.train.trainjob import reasons
from components.train.trainjob.pod_reasons import endings
from components.train.trainjob.trouble import STARTING, Trouble

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    seen = json.loads((RECORDED / f"{name}.json").read_text())
    return seen["job"], seen["pods"], seen["events"]


def failed(name: str) -> Trouble:
    return reasons.failure(*recorded(name))


def waits(name: str) -> Trouble:
    (trouble,) = reasons.waiting(*recorded(name))
    return trouble


def test_the_node_that_died_first_is_the_cause_of_a_crash() -> None:
    # Node 1 ended with 3; node 0 missed it and ended with 1 later.
    trouble = failed("crash")
    assert trouble.kind == "crash"
    assert "-node-0-1-" in trouble.pod
    assert "ended with exit code 3" in trouble.found
    error = trouble.error(["Traceback", "ValueError: loss is nan"])
    assert error.found.endswith("its last lines:\n    Traceback\n    ValueError: loss is nan")
    assert "cluster.retry: true" in error.remedy


def test_memory_is_told_with_its_limit() -> None:
    trouble = failed("oom")
    assert trouble.kind == "oom"
    assert "OOMKilled" in trouble.found
    assert "its memory limit is 64Mi" in trouble.found
    assert "cluster.memory" in trouble.remedy


def test_memory_of_the_node_is_told_where_the_container_has_no_limit() -> None:
    job, pods, events = recorded("oom")
    pods[0]["spec"]["containers"][0]["resources"] = {}
    assert "no memory limit" in reasons.failure(job, pods, events).found


def test_memory_before_a_crash_within_the_same_second() -> None:
    job, pods, events = recorded("oom")
    other = copy.deepcopy(pods[0])
    other["metadata"]["name"] = "aaa"
    ended = other["status"]["containerStatuses"][0]["state"]["terminated"]
    ended.update(reason="Error", exitCode=1)
    assert reasons.failure(job, [other, *pods], events).kind == "oom"


def test_an_eviction_is_not_called_a_crash() -> None:
    trouble = failed("evicted")
    assert trouble.kind == "disrupted"
    assert "EvictionByEvictionAPI" in trouble.found


def test_the_deadline_comes_before_the_signal_it_sent() -> None:
    trouble = failed("deadline")
    assert trouble.kind == "deadline"
    assert "deadline of 4 s" in trouble.found


def test_the_image_is_named_with_what_the_registry_said() -> None:
    trouble = waits("image")
    assert (trouble.kind, trouble.hopeless) == ("image", False)
    assert "image localhost/nowhere:1 " in trouble.found
    assert "connection refused" in trouble.found


def test_an_image_that_may_not_be_pulled_is_not_waited_for() -> None:
    assert waits("never-pull").hopeless


def test_no_node_is_told_with_resources_selector_and_taints() -> None:
    trouble = waits("unschedulable")
    assert trouble.kind == "unschedulable"
    assert trouble.kind in STARTING
    assert "0/1 nodes are available" in trouble.found
    assert "8 of nvidia.com/gpu" in trouble.expected
    assert "labelled touchstone/pool=gpu" in trouble.expected
    assert "no taint but nvidia.com/gpu=present:NoSchedule" in trouble.expected


def test_a_missing_config_map_is_named() -> None:
    trouble = waits("configuration")
    assert trouble.kind == "configuration"
    assert 'configmap "touchstone" not found' in trouble.found


def test_pods_that_may_not_be_made_are_told_with_the_rule() -> None:
    trouble = waits("pod-security")
    assert trouble.kind == "not-created"
    assert 'violates PodSecurity "restricted' in trouble.found


def test_silence_is_told_as_a_controller_that_does_not_run() -> None:
    job, _, _ = recorded("pod-security")
    (trouble,) = reasons.waiting(job, [], [])
    assert "nothing makes pods" in trouble.found
    assert "controller" in trouble.expected


def test_a_suspended_job_tells_how_to_resume() -> None:
    job, _, _ = recorded("pod-security")
    job["status"] = {"conditions": [{"type": "Suspended", "status": "True", "reason": "Suspended", "message": ""}]}
    (trouble,) = reasons.waiting(job, [], [])
    assert trouble.kind == "suspended"
    assert """patch trainjob """ in trouble.remedy
    job["status"]["conditions"][0]["status"] = "False"
    assert reasons.waiting(job, [], [])[0].kind == "not-created"


def test_a_runtime_that_the_controller_does_not_know() -> None:
    job, _, _ = recorded("crash")
    told = {"type": "Failed", "status": "True", "reason": "TrainingRuntimeNotSupported", "message": "unsupported: x"}
    job["status"]["conditions"] = [told]
    trouble = reasons.failure(job, [], [])
    assert trouble.kind == "runtime"
    assert job["spec"]["runtimeRef"]["name"] in trouble.found


def test_a_failure_of_which_nothing_is_left_keeps_the_controllers_words() -> None:
    job, _, _ = recorded("crash")
    trouble = reasons.failure(job, [], [])
    assert "jobset failed due to one or more job failures" in trouble.found


@pytest.mark.parametrize(("code", "meaning"), [(137, "SIGKILL"), (143, "SIGTERM"), (139, "segmentation fault")])
def test_exit_codes_of_signals_are_put_into_words(code: int, meaning: str) -> None:
    job, pods, events = recorded("crash")
    for pod in pods:
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = code
    assert meaning in reasons.failure(job, pods, events).found


def test_pods_that_run_are_no_trouble() -> None:
    job, pods, events = recorded("crash")
    job["status"] = {}
    for pod in pods:
        pod["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert reasons.waiting(job, pods, events) == []
    assert endings("x", pods) == []
