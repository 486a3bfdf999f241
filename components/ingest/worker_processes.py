"""Work on batches in several processes, results in order, and a killed process noticed at whatever moment it dies.

The standard library's pools share one pipe for all results: a process killed in the middle of a long message leaves the
reader waiting for the rest of it for ever, because the others hold the pipe open. Here every process has a pipe of its
own, whose end is seen.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TypeVar

from components.contracts.errors import TouchstoneError
from components.contracts.processes import die_with_parent

B = TypeVar("B")
R = TypeVar("R")

IN_FLIGHT = 4
"""Batches for each process: enough that none waits, few enough that memory stays bounded."""
SECONDS_TO_END = 5.0


class WorkerProcesses(Generic[B, R]):
    """Processes forked at once, each with its pipe and a thread that speaks to it."""

    def __init__(self, work: Callable[[B], R], count: int) -> None:
        """Start them.

        Args:
            work: Batch -> result; runs in the processes. Give it everything that is to be shared by the fork.
            count: Processes.
        """
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes: list[ForkProcess] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            process = context.Process(target=_serve, args=(work, theirs, list(self._pipes)), daemon=True)
            process.start()
            # Now only the process holds its end: when it dies, reading from ours says so.
            theirs.close()
            self._processes.append(process)
        # After the forks: a process must not inherit threads.
        self._threads = [ThreadPoolExecutor(1) for _ in range(count)]

    def __enter__(self) -> WorkerProcesses[B, R]:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, whatever they are doing: a batch half done is of no use to anybody."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join(SECONDS_TO_END)
        for threads in self._threads:
            threads.shutdown(cancel_futures=True)
        for pipe in self._pipes:
            pipe.close()

    def results(self, batches: Iterable[B]) -> Iterator[R]:
        """Each batch's result, in the order of the batches.

        Raises:
            TouchstoneError: a process was killed, which is what happens when memory runs out.
        """
        waiting: deque[Future[R]] = deque()
        for number, batch in enumerate(batches):
            place = number % len(self._pipes)
            waiting.append(self._threads[place].submit(_exchange, self._pipes[place], batch))
            if len(waiting) >= IN_FLIGHT * len(self._pipes):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _exchange(pipe: Connection, batch: Any) -> Any:
    try:
        pipe.send(batch)
        failure, result = pipe.recv()
    except (EOFError, OSError) as error:
        raise TouchstoneError(
            "a process that cleans dialogues was killed, most likely for want of memory",
            remedy="give the step more memory, or set workers to 1",
        ) from error
    if failure is not None:
        raise failure
    return result


def _serve(work: Callable[[Any], Any], pipe: Connection, inherited: list[Connection]) -> None:
    die_with_parent()
    for other in inherited:
        other.close()
    while True:
        try:
            batch = pipe.recv()
        except EOFError:
            return
        answer: tuple[Exception | None, Any]
        try:
            answer = (None, work(batch))
        except Exception as error:  # told to the parent, which raises it
            answer = (error, None)
        pipe.send(answer)
