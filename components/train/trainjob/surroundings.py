"""What a process of a training is told by whoever started it: Kubernetes, Kubeflow's launcher, torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass

_TORCHRUN = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 1))


@dataclass(frozen=True)
class Place:
    """This process among all processes of a training."""

    rank: int = 0
    """0 for the chief."""
    world_size: int = 1
    """Processes in all."""
    local_rank: int = 0
    """Its number among the processes of its machine: the accelerator it takes."""
    local_size: int = 1
    """Processes of its machine."""
    leads: bool = False
    """Whether it has to start the other processes of its machine."""


def place() -> Place:
    """What torchrun says of this process; else what the Trainer says of its pod, of which it is then the first process.

    The Trainer's pods do not run torchrun: where they are to hold several processes, this one starts the others.
    """
    if os.environ.get("RANK") or os.environ.get("WORLD_SIZE"):
        rank, world_size, local_rank, local_size = (_number(name, default) for name, default in _TORCHRUN)
        return Place(rank, world_size, local_rank, local_size)
    local_size = _number("PET_NPROC_PER_NODE", 1)
    nodes, node = _number("PET_NNODES", 1), _number("PET_NODE_RANK", 0)
    return Place(node * local_size, nodes * local_size, 0, local_size, leads=local_size > 1)


def address() -> tuple[str, int] | None:
    """Host and port of the chief; None when nobody says."""
    host = os.environ.get("MASTER_ADDR") or os.environ.get("PET_MASTER_ADDR")
    port = os.environ.get("MASTER_PORT") or os.environ.get("PET_MASTER_PORT")
    return (host, int(port)) if host and port else None


def this_pod() -> str | None:
    """Name of the pod this process runs in. Kubeflow tells it; elsewhere it is the host's name."""
    return os.environ.get("KFP_POD_NAME") or os.environ.get("HOSTNAME") or None


def _number(name: str, default: int) -> int:
    """A variable's value; the default where it is no number: the Trainer writes `auto` or `gpu` for some."""
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else default
