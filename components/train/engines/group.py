"""The processes of one training, and what they say to one another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, TCPStore
from torch.distributed.distributed_c10d import _set_pg_timeout

from components.contracts.errors import TouchstoneError, UsageError
from components.train.trainjob.surroundings import Place, address

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""A process that is silent for so long is given up. The chief may fetch a base or a state meanwhile."""
MEETING, MEETINGS = timedelta(minutes=1), 3
"""How long all processes, once there, may take to connect, and how often that is tried."""
SIGNS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""What torch says when a process of the group is no longer there: it has no type of its own for it."""


class LostProcesses(TouchstoneError):
    """Some processes of the training ended, or no longer answer."""


@dataclass(frozen=True)
class Group:
    """This process among those that train together; the default is one that trains alone."""

    rank: int = 0
    """0 for the chief."""
    world_size: int = 1
    """Processes in all."""
    local_rank: int = 0
    """0 for the first of a machine."""

    @property
    def chief(self) -> bool:
        """Whether it is the one that keeps states, writes the checkpoint and shows the progress."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.world_size == 1

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, one for each place of `values`; all get the same bits."""
        if self.alone:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def hear(self, said: Any = None) -> Any:
        """What the chief says (`said`, when this is the chief); anything that can be pickled."""
        if self.alone:
            return said
        words = [said]
        dist.broadcast_object_list(words, src=0, device=torch.device("cpu"))
        return words[0]

    def by_turns(self, fetch: Callable[[], T]) -> T:
        """What `fetch` gives; the first process of each machine calls it before the others find it in the cache."""
        if self.alone:
            return fetch()
        made = [fetch()] if self.local_rank == 0 else []
        dist.all_reduce(torch.zeros(1))
        return made[0] if made else fetch()


_joined: list[Group] = []
_leaving: list[Callable[[], None]] = []


def leaves_by(leave: Callable[[], None]) -> None:
    """Have the group left by something else than torch's own: a library that keeps books of groups."""
    _leaving[:] = [leave]


def current() -> Group:
    """The group this process has joined; itself alone when none."""
    return _joined[-1] if _joined else Group()


@contextmanager
def joined(here: Place, *, store: Any = None, patience: timedelta = PATIENCE) -> Iterator[Group]:
    """Join the other processes; each takes the accelerator of its place on its machine.

    Args:
        here: Rank, number of processes, place among those of this machine.
        store: Where they find one another; None = at MASTER_ADDR and MASTER_PORT.
        patience: How long a silent process is waited for.

    Raises:
        UsageError: the machine has fewer accelerators than processes, or nobody says where the chief is.
        LostProcesses: the others do not come, or one ends while they train together.
    """
    _take_device(here)
    if store is None:
        host, port = meeting_point(here)
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
            store = TCPStore(host, port, here.world_size, here.rank == 0, patience, wait_for_workers=False)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with failures_told():
        if store is None:  # torchrun's own
            dist.init_process_group(backend, rank=here.rank, world_size=here.world_size, timeout=patience)
        else:
            _meet(backend, store, here, patience)
        _joined.append(Group(here.rank, here.world_size, here.local_rank))
        try:
            yield _joined[-1]
        finally:
            _joined.pop()
            leave = _leaving.pop() if _leaving else dist.destroy_process_group
            leave()


def _meet(backend: str, store: Any, here: Place, patience: timedelta) -> None:
    """Wait for all, then connect every process with every other one.

    gloo's connecting has been seen to hang, rarely, with all processes there: it gets a minute, and a second try.
    """
    store.set(f"here/{here.rank}", "")
    store.wait([f"here/{rank}" for rank in range(here.world_size)], patience)
    for attempt in range(MEETINGS):
        try:
            dist.init_process_group(
                backend,
                store=PrefixStore(f"meeting {attempt}", store),
                rank=here.rank,
                world_size=here.world_size,
                timeout=MEETING,
            )
            break
        except RuntimeError:
            if attempt == MEETINGS - 1:
                raise
    _set_pg_timeout(patience)


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn torch's many errors about lost processes into one that says what to do.

    Raises:
        LostProcesses: a process ended, or did not answer in time.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not any(sign in str(error) for sign in SIGNS):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LostProcesses(
            f"the training lost some of its processes: {first}",
            expected="all processes of a training, until its end",
            remedy="see why they ended (their logs; memory); the same command goes on from the last state",
        ) from error


def meeting_point(here: Place) -> tuple[str, int]:
    """Host and port of the chief.

    Raises:
        UsageError: nobody says.
    """
    found = address()
    if found is None:
        raise UsageError(
            f"this is process {here.rank} of {here.world_size}, and nothing says where the first one is",
            expected="MASTER_ADDR and MASTER_PORT, as torchrun and the Trainer set them",
            remedy="start it with torchrun, or set `processes` and let the step start its own",
        )
    return found


def _take_device(here: Place) -> None:
    if not torch.cuda.is_available():
        return
    found = torch.cuda.device_count()
    if here.local_rank >= found:
        raise UsageError(
            f"process {here.local_rank + 1} of this machine has no GPU of its own: there are {found}",
            expected="at most one process for each GPU",
            remedy=f"set processes (on a cluster: cluster.processes_per_node) to {found} or less",
        )
    torch.cuda.set_device(here.local_rank)


def say(text: str) -> None:
    """A line for the log of this process."""
    sys.stderr.write(f"train: {text}\n")
