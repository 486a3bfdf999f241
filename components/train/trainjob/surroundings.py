"""What a process of a training is told by whoever started it: Kubernetes, Kubeflow's launcher, torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """This process among all processes of a training."""

    rank: int
    """0 for the chief."""
    world_size: int
    """Processes in all."""


def place() -> Place:
    """Rank and number of processes: torchrun's variables, or the Trainer's where each pod is one process."""
    rank = os.environ.get("RANK") or os.environ.get("PET_NODE_RANK") or "0"
    world_size = os.environ.get("WORLD_SIZE") or os.environ.get("PET_NNODES") or "1"
    return Place(int(rank), int(world_size))


def this_pod() -> str | None:
    """Name of the pod this process runs in. Kubeflow tells it; elsewhere it is the host's name."""
    return os.environ.get("KFP_POD_NAME") or os.environ.get("HOSTNAME") or None
