"""Batches in several processes: order, failures, and a process that dies in the middle of a long message."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection

import pytest

from components.contracts.errors import TouchstoneError
from components.ingest.worker_processes import WorkerProcesses

LONG = 4 << 20
"""Many times what a pipe holds: whoever sends it is in the middle of it for long."""


def test_results_come_in_the_order_of_the_batches() -> None:
    with WorkerProcesses(lambda number: number * number, 3) as processes:
        assert list(processes.results(range(100))) == [number * number for number in range(100)]


def test_a_failure_in_a_process_is_raised_here() -> None:
    def work(number: int) -> float:
        return 1 / (number - 5)

    with WorkerProcesses(work, 2) as processes, pytest.raises(ZeroDivisionError):
        list(processes.results(range(20)))


def test_a_process_killed_while_it_sends_is_told_as_such() -> None:
    def work(number: int) -> bytes:
        if number == 3:
            Connection._send = _half_and_die  # type: ignore[attr-defined]  # in this process only
        return b"x" * LONG

    with WorkerProcesses(work, 2) as processes, pytest.raises(TouchstoneError, match="was killed"):
        list(processes.results(range(8)))


def _half_and_die(pipe: Connection, message: bytes) -> None:
    """Half a message stays in the pipe."""
    for begin in range(0, len(message) // 2, 1 << 16):
        os.write(pipe.fileno(), message[begin : begin + (1 << 16)])
    if len(message) > LONG:
        os.kill(os.getpid(), signal.SIGKILL)


def test_ending_early_leaves_no_process() -> None:
    with WorkerProcesses(lambda number: b"x" * LONG, 2) as processes:
        results = processes.results(range(1000))
        next(results)
        started = [process.pid for process in processes._processes]
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid or 0, 0)
