"""How large a run becomes in Argo, which keeps a workflow and the state of all its tasks in one Kubernetes object.

Kubeflow copies a task's inputs, its component and its pod into that object several times. Argo compresses the state of
tasks, and ends the workflow with an error once both together exceed a megabyte: hours into a run, at its last tasks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import UsageError
from pipelines import graph

ARGOS_LIMIT_BYTES = 1 << 20
"""MAX_WORKFLOW_SIZE of Argo's controller, where nothing else is said."""
BYTES_OF_ANY = 90_000
"""Kubeflow's own templates, and our steps, each once. This and what follows: fitted to a study and a sweep measured
with Kubeflow Pipelines 2.17 and Argo 4.0, whose sizes come out within three per cent."""
TIMES_A_GRAPH_STANDS_THERE = 2.25
BYTES_PER_TASK = 1_100
"""Of the workflow's own text, beside what the graph says of it."""
TIMES_PLATFORM_SETTINGS_STAND_THERE = 1.15
BYTES_PER_EXECUTION = 3_300
"""Of compressed state: a task's driver and its attempts."""
BYTES_PER_INPUT = 530
"""The same for every artifact that an executed task reads."""
DOUBT = 1.03


def estimated_bytes(ir: Path) -> int:
    """About what the workflow of a compiled pipeline takes when all its tasks have run."""
    document, *platform = graph.documents(ir)
    tasks = graph.tasks(document)
    graphs = [document["root"], *(part for part in document["components"].values() if "dag" in part)]
    text = BYTES_OF_ANY + BYTES_PER_TASK * len(tasks)
    text += int(TIMES_A_GRAPH_STANDS_THERE * _length(graphs))
    text += int(TIMES_PLATFORM_SETTINGS_STAND_THERE * _length(platform))
    state = sum(task.times * (BYTES_PER_EXECUTION + BYTES_PER_INPUT * len(task.inputs)) for task in tasks)
    return text + state


def _length(documents: Sequence[Any]) -> int:
    return sum(len(json.dumps(document, separators=(",", ":"))) for document in documents)


def refuse_too_large(ir: Path, limit_bytes: int) -> None:
    """Refuse a run that would outgrow what Argo keeps.

    Args:
        ir: Compiled pipeline.
        limit_bytes: What Argo keeps of one workflow; 0 = no limit.

    Raises:
        UsageError: it would.
    """
    size = estimated_bytes(ir)
    if limit_bytes and size * DOUBT > limit_bytes:
        raise UsageError(
            f"this run's workflow would grow to about {size / 1e6:.2f} MB",
            expected=f"at most {limit_bytes / 1e6:.2f} MB, all that Argo keeps of one: the run would fail near its end",
            remedy="submit a sweep in parts (`only: [...]`), or have Argo keep more and say so in a profile's"
            " max_workflow_bytes: docs/operations.md",
        )
