"""A bounded number of threads that work off tasks, which may bring further tasks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

Task = Callable[[], object]


class Crew:
    """Threads for one piece of work; the first exception stops all and is raised where the crew was started.

    What a task adds goes into the task's own lane. A thread stays in its lane while there is something to do, then
    opens a new one, then helps in the lane with the fewest threads: files of an artifact are read and hashed in order
    and side by side, and the last big one still gets every thread.
    """

    def __init__(self, num_workers: int) -> None:
        """Prepare for `num_workers` threads; they live during `run` only."""
        self._num_workers = num_workers
        self._fresh: deque[Task] = deque()
        self._lanes: dict[int, deque[Task]] = {}
        self._threads_in: dict[int, int] = {}
        self._num_opened = 0
        self._current = threading.local()
        self._change = threading.Condition()
        self._unfinished = 0
        self._error: BaseException | None = None
        self._stopped = False

    def stopped(self) -> bool:
        """Whether what is still running should end early."""
        return self._stopped

    def add(self, tasks: Iterable[Task]) -> None:
        """Queue what follows from the task that calls this."""
        added = list(tasks)
        with self._change:
            self._lanes.setdefault(self._current.lane, deque()).extend(added)
            self._unfinished += len(added)
            self._change.notify_all()

    def run(self, tasks: Iterable[Task]) -> None:
        """Work until every task is done, and what they have added.

        Raises:
            BaseException: the first that a task raised, or an interrupt of the caller; no task runs any more by then.
        """
        self._fresh.extend(tasks)
        self._unfinished = len(self._fresh)
        threads = [
            threading.Thread(target=self._work, name=f"crew-{number}", daemon=True)
            for number in range(self._num_workers if self._fresh else 0)
        ]
        try:
            for thread in threads:
                thread.start()
            with self._change:
                self._change.wait_for(lambda: self._stopped or not self._unfinished)
        finally:
            with self._change:
                self._stopped = True
                self._change.notify_all()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        self._current.lane = -1
        while True:
            with self._change:
                self._change.wait_for(lambda: self._stopped or self._fresh or self._lanes)
                if self._stopped:
                    return
                lane, task = self._next()
                self._current.lane = lane
                self._threads_in[lane] = self._threads_in.get(lane, 0) + 1
            try:
                task()
            except BaseException as error:
                with self._change:
                    # What follows the first failure is only its echo.
                    self._error = self._error or error
                    self._stopped = True
                    self._change.notify_all()
            with self._change:
                self._threads_in[lane] -= 1
                self._unfinished -= 1
                if not self._unfinished:
                    self._change.notify_all()

    def _next(self) -> tuple[int, Task]:
        lane = self._current.lane
        if lane not in self._lanes:
            if self._fresh:
                self._num_opened += 1
                return self._num_opened, self._fresh.popleft()
            lane = min(self._lanes, key=lambda number: self._threads_in.get(number, 0))
        task = self._lanes[lane].popleft()
        if not self._lanes[lane]:
            del self._lanes[lane]
        return lane, task
