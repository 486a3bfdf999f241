"""Reading the server's answers, given as the server's own client models."""

from datetime import UTC, datetime, timedelta

import kfp_server_api as api
import pytest

from components.contracts.errors import UsageError
from pipelines.cluster.pod_logs import EXECUTOR, MACHINERY
from pipelines.cluster.runs import TaskState, task_states, with_pods
from pipelines.cluster.submission import parse_policy

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def task(name: str, state: str, start: datetime, end: datetime) -> api.V2beta1PipelineTaskDetail:
    return api.V2beta1PipelineTaskDetail(display_name=name, state=state, start_time=start, end_time=end)


def test_only_steps_are_shown_by_their_labels_in_the_order_they_began() -> None:
    details = [
        task("generate-2", "RUNNING", BEGAN + timedelta(seconds=30), NEVER),
        task("generate-2-driver", "SUCCEEDED", BEGAN, BEGAN),
        task("executor(0)", "SUCCEEDED", BEGAN, BEGAN),
        task("root", "RUNNING", BEGAN, NEVER),
        task("compare", "PENDING", NEVER, NEVER),
        task("ask", "SUCCEEDED", BEGAN, BEGAN + timedelta(seconds=9)),
    ]
    run = api.V2beta1Run(run_details=api.V2beta1RunDetails(task_details=details))
    states = task_states(run, {"ask": "ask broad", "generate-2": "generate small", "compare": "compare"})
    assert [(s.name, s.state) for s in states] == [
        ("ask broad", "SUCCEEDED"),
        ("generate small", "RUNNING"),
        ("compare", "PENDING"),
    ]
    assert states[0].seconds == 9
    assert states[2].seconds is None


def test_a_run_that_has_not_begun_has_no_tasks() -> None:
    assert task_states(api.V2beta1Run(run_details=None), {"ask": "ask"}) == []


def test_pods_tell_what_the_server_has_not_heard_of_yet() -> None:
    said = [TaskState("ask broad", "SUCCEEDED", 9.0), TaskState("train broad", "RUNNING", 60.0)]
    seen = with_pods(said, {"ask broad": "Failed", "train broad": "Succeeded", "style broad": "Pending"})
    assert [(s.name, s.state) for s in seen] == [
        ("ask broad", "SUCCEEDED"),
        ("train broad", "SUCCEEDED"),
        ("style broad", "PENDING"),
    ]


def test_argo_names_of_steps_are_told_from_drivers() -> None:
    found = EXECUTOR.match("imitation-audit-x7.root.prepare-3.executor(0)")
    assert found is not None
    assert found["task"] == "prepare-3"
    assert EXECUTOR.match("imitation-audit-x7.root.prepare-3-driver") is None


def test_lines_of_the_machinery_are_told_from_a_steps_own() -> None:
    assert MACHINERY.match("I1125 03:11:14.692385      16 object_store.go:231] uploadFile()")
    assert MACHINERY.match('time=2026-11-25T03:11:15.269Z level=INFO msg="sub-process exited" argo=true error=<nil>')
    assert not MACHINERY.match("[touchstone] finished in 1.0 s: train broad")


def test_a_policy_is_checked_before_anything_is_sent() -> None:
    assert parse_policy('{"alpha": 0.01}') == {"alpha": 0.01}
    assert parse_policy(None) == {}
    for wrong, named in (
        ("{", "--policy"),
        ("[1]", "list"),
        ('{"alfa": 1}', "did you mean alpha"),
        ('{"alpha": 2}', "alpha"),
    ):
        with pytest.raises(UsageError, match=named):
            parse_policy(wrong)
