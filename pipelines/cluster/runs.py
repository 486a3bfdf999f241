"""Runs on the server: their tasks as a table, following one to its end."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.contracts.errors import TouchstoneError, UsageError
from pipelines.cluster import pod_logs
from pipelines.cluster.server import server_errors

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
POLL_SECONDS = 5.0


@dataclass(frozen=True)
class TaskState:
    """One task of a run."""

    name: str
    """Step and, where there is one, the name it was given: `generate target-broad`."""
    state: str
    """The server's word: PENDING, RUNNING, SUCCEEDED, CACHED, FAILED, ..."""
    seconds: float | None
    """From start to end, or until now; None before the start."""


def latest(client: Any) -> str:
    """Id of the newest run.

    Raises:
        UsageError: the server has none.
    """
    with server_errors("the server"):
        found = client.list_runs(page_size=1, sort_by="created_at desc").runs
    if not found:
        raise UsageError("the server has no runs", remedy="touchstone submit imitation_audit")
    run_id: str = found[0].run_id
    return run_id


def labels(client: Any, run: Any) -> dict[str, str]:
    """Name of every task in the run's pipeline -> what a person calls it, as the Kubeflow UI shows it."""
    spec = run.pipeline_spec
    if spec is None and run.pipeline_version_reference is not None:
        named = run.pipeline_version_reference
        with server_errors("the server"):
            spec = client.get_pipeline_version(named.pipeline_id, named.pipeline_version_id).pipeline_spec
    # With platform settings the server keeps the two documents under these keys.
    ir = (spec or {}).get("pipeline_spec", spec) or {}
    dags = [ir.get("root", {}), *ir.get("components", {}).values()]
    tasks = {name: task for dag in dags for name, task in dag.get("dag", {}).get("tasks", {}).items()}
    return {name: task.get("taskInfo", {}).get("name", name) for name, task in tasks.items()}


def task_states(run: Any, known: Mapping[str, str]) -> list[TaskState]:
    """The steps of a run in the order they began.

    Args:
        run: The server's run.
        known: Name of a task -> its label (`labels`); the server's drivers, executors and groups are not among them.
    """
    details = (run.run_details and run.run_details.task_details) or ()
    steps = [task for task in details if task.display_name in known]
    steps.sort(key=lambda task: (_seconds(task) is None, task.start_time, task.display_name))
    return [TaskState(known[t.display_name], str(t.state or "PENDING"), _seconds(t)) for t in steps]


def with_pods(states: Sequence[TaskState], phases: Mapping[str, str]) -> list[TaskState]:
    """States that the server has fallen behind on, corrected by the phases of the steps' pods.

    A graph of this size makes the workflow so large that Argo packs its nodes, and the server's list of tasks stops
    there until the run ends; the pods always tell.
    """
    known = {state.name: state for state in states}
    for name, phase in phases.items():
        before = known.get(name)
        if before is None or before.state not in ENDED:
            known[name] = TaskState(name, phase.upper(), before.seconds if before and phase == "Running" else None)
    return list(known.values())


def current(run: Any, names: Mapping[str, str], namespace: str) -> list[TaskState]:
    """The tasks of a run by what the server and the run's pods say.

    Args:
        run: The server's run.
        names: Name of a task -> its label (`labels`).
        namespace: Of the run's pods; where they cannot be seen, the server alone is asked.
    """
    phases = pod_logs.phases(namespace, run.run_id)
    return with_pods(task_states(run, names), {names.get(task, task): phase for task, phase in phases.items()})


def follow(client: Any, run_id: str, namespace: str, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Wait for the end of a run, saying on stderr when a task begins or ends.

    Raises:
        TouchstoneError: it did not succeed.
    """
    import click

    known: dict[str, str] = {}
    names: dict[str, str] = {}
    while True:
        with server_errors("the server"):
            run = client.get_run(run_id)
        names = names or labels(client, run)
        for task in current(run, names, namespace):
            if known.get(task.name) != task.state:
                known[task.name] = task.state
                click.echo(f"{task.state.lower():10} {task.name}", err=True)
        if run.state in ENDED:
            break
        pause(POLL_SECONDS)
    if run.state != "SUCCEEDED":
        failed = ", ".join(name for name, state in known.items() if state == "FAILED")
        raise TouchstoneError(
            f"run {run_id} ended as {run.state}" + (f" in {failed}" if failed else ""),
            remedy=f"touchstone logs {run_id}",
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what kfp prints (links, warnings for notebooks) off stdout, which is for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _seconds(task: Any) -> float | None:
    if task.start_time is None or task.start_time.year < 2000:  # the server says 1970 for "not yet"
        return None
    ended = task.end_time if task.end_time is not None and task.end_time.year >= 2000 else datetime.now().astimezone()
    return max(0.0, float((ended - task.start_time).total_seconds()))
