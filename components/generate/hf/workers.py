"""One process for each device, each with a copy of the model; units go to whichever is free.

The parent alone writes the journal. A worker that dies (a lost GPU, kill -9, the system's out-of-memory killer) has its
unit given to the next free one and is started again once.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from components.contracts.errors import TouchstoneError
from components.contracts.processes import die_with_parent
from components.contracts.rows import Request
from components.generate.hf.station import Crew, Job, Jobs, LostDeviceError, Station
from components.generate.hf.work import Done, Kind

STARTS = 2
"""Times a device's worker is started before the device is given up."""
DEATHS_PER_UNIT = 2
"""Workers that may die over one unit before the unit is taken for the cause."""
SECONDS_TO_END = 5.0


class Spec(NamedTuple):
    """What every worker loads; see `Station.load`."""

    folder: str
    dtype: str
    plain_chat: str
    model: str
    """Name in the answers."""
    threads: int
    """Threads of a worker on the CPU; 0 = torch's own number."""


class Told(NamedTuple):
    """What a worker says."""

    kind: str
    """ready, rows, done, memory, lost, error or bug."""
    value: Any = None


@dataclass
class _Worker:
    """A process, as the parent sees it."""

    device: str
    process: Any
    line: Connection
    starts: int
    job: Job | None = None
    ready: bool = False


class Workers(Crew):
    """Processes that run units."""

    def __init__(self, spec: Spec, devices: Sequence[str]) -> None:
        """Start a process for each of `devices`; they load at the same time."""
        self._spec = spec
        self._deaths: Counter[int] = Counter()
        self._reason = ""
        self.num_deaths = 0
        self._workers = [self._start(device, 1) for device in devices]

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            self._end(worker)
        self._workers = []

    def rows(self, units: Sequence[tuple[Kind, Sequence[Request]]]) -> list[int]:
        """See `Crew`: as the first worker that is ready finds them.

        Raises:
            TouchstoneError: no worker can load the checkpoint.
        """
        while True:
            ready = next((worker for worker in self._workers if worker.ready), None)
            if ready is None:
                for worker, told in self._listen():
                    assert told.kind == "ready", worker
                continue
            try:
                ready.line.send(units)
                told = ready.line.recv()
            except (EOFError, OSError):
                self._bury(ready)
                continue
            _raise(told)
            return list(told.value)

    def run(self, numbers: Sequence[int], jobs: Jobs) -> Iterator[tuple[Job, Done]]:
        """See `Crew`.

        Raises:
            TouchstoneError: no worker is left, or a unit kills its workers; else as `Crew`.
        """
        waiting, left = deque(numbers), len(numbers)
        while left:
            self._hand_out(waiting, jobs)
            for worker, told in self._listen(waiting):
                if told.kind == "ready":
                    continue
                job, worker.job = worker.job, None
                assert job is not None
                if told.kind == "done":
                    left -= 1
                    yield job, told.value
                else:
                    jobs.lower(job, worker.device)
                    waiting.appendleft(job.number)

    def _hand_out(self, waiting: deque[int], jobs: Jobs) -> None:
        for worker in list(self._workers):
            if not (waiting and worker.ready and worker.job is None):
                continue
            worker.job = jobs.job(waiting.popleft())
            try:
                worker.line.send(worker.job)
            except OSError:
                self._bury(worker, waiting)

    def _listen(self, waiting: deque[int] | None = None) -> Iterator[tuple[_Worker, Told]]:
        """Wait until a worker speaks or dies; gives what is said."""
        heard = connection.wait([worker.line for worker in self._workers])
        for worker in [w for w in self._workers if w.line in heard]:
            try:
                told = worker.line.recv()
            except (EOFError, OSError):
                told = Told("lost", "")
            if told.kind == "lost":
                self._bury(worker, waiting, str(told.value))
                continue
            _raise(told)
            worker.ready = True
            yield worker, told

    def _bury(self, worker: _Worker, waiting: deque[int] | None = None, why: str = "") -> None:
        """Give a dead worker's unit back, and start it again where that may help.

        Raises:
            TouchstoneError: its unit has killed another before, or no worker is left.
        """
        worker.process.join(SECONDS_TO_END)
        code = worker.process.exitcode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        self._reason = why or f"the worker on {worker.device} {how}"
        self.num_deaths += 1
        self._workers.remove(worker)
        self._end(worker)
        if worker.job is not None:
            number = worker.job.number
            self._deaths[number] += 1
            if self._deaths[number] >= DEATHS_PER_UNIT:
                raise self._lost(f"{self._deaths[number]} workers ended over unit {number} of the plan")
            assert waiting is not None
            waiting.appendleft(number)
        if worker.starts < STARTS:
            sys.stderr.write(f"{self._reason}; it is started again\n")
            self._workers.append(self._start(worker.device, worker.starts + 1))
        elif not self._workers:
            raise self._lost("no worker is left")

    def _lost(self, found: str) -> TouchstoneError:
        return TouchstoneError(
            f"{found}; last: {self._reason}",
            expected="devices that work, and memory for a copy of the model on each",
            remedy="free memory or name other devices, and run the same command again: what is finished is kept",
        )

    def _start(self, device: str, starts: int) -> _Worker:
        # CUDA does not survive a fork. On the CPU a server that has imported torch, and done nothing with it, is
        # forked, so that only the first start takes seconds.
        context: Any = multiprocessing.get_context("spawn" if device.startswith("cuda") else "forkserver")
        context.set_forkserver_preload([__name__])
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._spec, device), daemon=True)
        process.start()
        # Now only the process holds its end: when it dies, reading from ours says so.
        theirs.close()
        return _Worker(device, process, ours, starts)

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.process.close()
        worker.line.close()


def _raise(told: Told) -> None:
    if told.kind == "error":
        raise told.value
    if told.kind == "bug":
        raise RuntimeError(f"a worker failed:\n{told.value}")


def _serve(line: Connection, spec: Spec, device: str) -> None:
    """Load, then do what is asked until the parent lets go of the line."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    if spec.threads:
        torch.set_num_threads(spec.threads)
    try:
        station = Station.load(spec.folder, device, spec.dtype, spec.plain_chat)
        station.model = spec.model
        line.send(Told("ready"))
        while True:
            asked = line.recv()
            if isinstance(asked, Job):
                done = station.attempt(asked)
                line.send(Told("memory") if done is None else Told("done", done))
            else:
                line.send(Told("rows", station.rows(asked)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except LostDeviceError as error:
        line.send(Told("lost", error.found))
    except TouchstoneError as error:
        line.send(Told("error", error))
    except Exception:  # told to the parent, which raises it
        line.send(Told("bug", traceback.format_exc()))
