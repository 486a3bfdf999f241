"""The other processes of one machine: `python -m components.train`, each told its place by torchrun's variables.

This process is the first of them. It watches the others: one that ends early ends all, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from torch._C._distributed_c10d import TCPStore
from torch.distributed.distributed_c10d import _abort_process_group

from components.contracts import canonical
from components.contracts.errors import UsageError
from components.train.engines.group import LostProcesses, current, failures_told, joined, say
from components.train.trainjob.surroundings import Place

HERE = "127.0.0.1"
READY = b"ready\n"
"""What a process says once it has everything imported and is about to join."""
LOOK_SECONDS = 0.2
TO_JOIN_SECONDS = 120
TO_END_SECONDS = 60
"""The others have nothing left to write when the first one has its weights."""
TRAIN, NOTHING = "train", "nothing"
"""What the chief tells the others to do."""


class Worker:
    """One process started here."""

    def __init__(self, words: Sequence[str], place: Place, host: str, port: int) -> None:
        """Start `python -m components.train` with the given words at a place.

        Args:
            words: Its command line.
            place: Where it is among all.
            host: Where the chief listens.
            port: On which port.
        """
        self.rank, self.world_size = place.rank, place.world_size
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        told = {
            "RANK": place.rank,
            "WORLD_SIZE": place.world_size,
            "LOCAL_RANK": place.local_rank,
            "LOCAL_WORLD_SIZE": place.local_size,
            "MASTER_ADDR": host,
            "MASTER_PORT": port,
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or max(1, cores // place.local_size),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "components.train", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**_own_environment(), **{name: str(value) for name, value in told.items()}},
        )

    def wait_ready(self) -> None:
        """Until it is about to join.

        Raises:
            LostProcesses: it ended instead.
        """
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            self._process.wait()
            raise self.loss()

    @property
    def lost(self) -> bool:
        """Whether it ended as no process of a training that goes well ends."""
        return self._process.poll() not in (None, 0)

    def loss(self) -> LostProcesses:
        """How it ended, for a person."""
        code = self._process.returncode
        self._log.seek(0)
        said = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        if code < 0:
            why = f"was killed by {signal.Signals(-code).name}"
            remedy = "see whether memory ran out (dmesg), or who sent the signal"
        else:
            why = f"ended with exit code {code}" + (f": {said[-1]}" if said else "")
            remedy = "mend what it complained of"
        return LostProcesses(
            f"process {self.rank} of {self.world_size} (counted from 0) {why}",
            expected="all processes of a training, until its end",
            remedy=f"{remedy}; the same command goes on from the last state",
        )

    def end(self, patience: float) -> None:
        """Wait for it, `patience` seconds at most; then kill it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()


@contextlib.contextmanager
def together(processes: int, ports: Mapping[str, Path], params: Mapping[str, Any]) -> Iterator[Any]:
    """The group that trains: the one that was joined already, or this process with others that it starts.

    Args:
        processes: Of this machine, this one counted.
        ports: Inputs of the step by name.
        params: The step's.

    Yields:
        The `Group`.

    Raises:
        UsageError: the training's processes were started by others, and `processes` says another number.
        LostProcesses: one of them ended early.
    """
    group = current()
    if not group.alone:
        if processes not in (1, group.world_size):
            raise UsageError(
                f"processes is {processes}, and {group.world_size} were started together",
                expected="processes: 1 where torchrun or the Trainer starts them",
                remedy="leave processes out of the parameters",
            )
        group.hear(TRAIN)
        with failures_told():
            yield group
        return
    if processes == 1:
        yield group
        return
    words = [word for name, place in ports.items() for word in (f"--{name}", str(place))]
    # The others write no checkpoint; the word must be there.
    words += ["--checkpoint", os.devnull, "--params", canonical.dumps({**params, "processes": 1}), "--worker"]
    store = TCPStore(HERE, 0, processes, is_master=True, wait_for_workers=False)
    here = Place(0, processes, 0, processes)
    with started(words, here, HERE, store.port), joined(here, store=store) as group:
        group.hear(TRAIN)
        yield group


@contextlib.contextmanager
def started(words: Sequence[str], here: Place, host: str, port: int) -> Iterator[None]:
    """Start the other processes of this machine, and see to it that none outlives the training or is missed in it.

    Args:
        words: Command line of each.
        here: The place of this process, the first of its machine.
        host: Where the chief listens.
        port: On which port.

    Raises:
        LostProcesses: one of them ended early.
    """
    workers: list[Worker] = []
    threads = torch.get_num_threads()
    over = threading.Event()
    patience = 0.0
    try:
        for at in range(1, here.local_size):
            place = Place(here.rank + at, here.world_size, at, here.local_size)
            workers.append(Worker(words, place, host, port))
        torch.set_num_threads(max(1, threads // here.local_size))
        for worker in workers:
            worker.wait_ready()
        threading.Thread(target=_watch, args=(workers, over), daemon=True).start()
        yield
        patience = TO_END_SECONDS
    except LostProcesses as error:
        lost = _first_lost(workers)
        raise (lost.loss() if lost is not None else error) from error
    except SystemExit:
        # The step has told its failure already; what is missing is whose end it was.
        for worker in workers:
            if worker.lost:
                say(str(worker.loss()))
        raise
    finally:
        over.set()
        torch.set_num_threads(threads)
        for worker in workers:
            worker.end(patience)


def _watch(workers: Sequence[Worker], over: threading.Event) -> None:
    """gloo notices by itself that a process is gone; NCCL's kernels would wait for it until their time is out."""
    while not over.wait(LOOK_SECONDS):
        if any(worker.lost for worker in workers):
            if torch.cuda.is_available() and not over.is_set():
                with contextlib.suppress(RuntimeError, ValueError):
                    _abort_process_group()
            return


def _first_lost(workers: Sequence[Worker], patience: float = 5.0) -> Worker | None:
    """The one whose end ended all: a closed connection may be seen before its process is."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        for worker in workers:
            if worker.lost:
                return worker
        time.sleep(LOOK_SECONDS / 10)
    return None


def say_ready() -> None:
    """Tell the process that started this one that it is about to join; what is printed later goes to the log."""
    sys.stdout.flush()
    os.write(1, READY)
    os.dup2(2, 1)


def _own_environment() -> dict[str, str]:
    """The environment without what an agent of torchrun says to its own children."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TORCHELASTIC_", "PET_"))}
