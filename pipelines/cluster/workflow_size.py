"""How large a run becomes in Argo, which keeps a workflow and the state of all its tasks in one Kubernetes object.

Kubeflow copies a task's inputs, its component and its pod into that object several times. Argo compresses the state of
tasks, and ends the workflow with an error once both together exceed a megabyte: hours into a run, at its last tasks.
"""

from __future__ import annotations

from pathlib import Path

from components.contracts.errors import UsageError
from pipelines import graph

ARGOS_LIMIT_BYTES = 1 << 20
"""MAX_WORKFLOW_SIZE of Argo's controller, where nothing else is said."""
OF_THE_FILE = 0.9
"""Workflow / compiled file. This and the next two: measured with Kubeflow Pipelines 2.17 and Argo 4.0 on a study."""
BYTES_PER_TASK = 3_200
"""Of compressed state: a task, its driver and its attempts."""
BYTES_PER_INPUT = 530
"""The same for every artifact that a task reads."""


def estimated_bytes(ir: Path) -> int:
    """About what the workflow of a compiled pipeline takes when all its tasks have run."""
    tasks = graph.tasks(graph.load(ir))
    state = sum(task.times * (BYTES_PER_TASK + BYTES_PER_INPUT * len(task.inputs)) for task in tasks)
    return int(OF_THE_FILE * ir.stat().st_size) + state


def refuse_too_large(ir: Path, limit_bytes: int) -> None:
    """Refuse a run that would outgrow what Argo keeps.

    Args:
        ir: Compiled pipeline.
        limit_bytes: What Argo keeps of one workflow; 0 = no limit.

    Raises:
        UsageError: it would.
    """
    size = estimated_bytes(ir)
    if limit_bytes and size > limit_bytes:
        raise UsageError(
            f"this run's workflow would grow to about {size / 1e6:.2f} MB",
            expected=f"at most {limit_bytes / 1e6:.2f} MB, all that Argo keeps of one: the run would fail near its end",
            remedy="submit a sweep in parts (`only: [...]`), or have Argo keep more and say so in a profile's"
            " max_workflow_bytes: docs/operations.md",
        )
