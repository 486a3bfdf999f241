"""A bounded number of threads that work off tasks, which may bring further tasks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

Task = Callable[[], object]


class Crew:
    """Threads for one piece of work; the first exception stops all and is raised where the crew was started."""

    def __init__(self, num_workers: int) -> None:
        """Prepare for `num_workers` threads; they live during `run` only."""
        self._num_workers = num_workers
        self._tasks: deque[Task] = deque()
        self._change = threading.Condition()
        self._unfinished = 0
        self._error: BaseException | None = None
        self._stopped = False

    def stopped(self) -> bool:
        """Whether what is still running should end early."""
        return self._stopped

    def add(self, tasks: Iterable[Task]) -> None:
        """Queue further tasks before those that wait, in their order: begun things are finished first."""
        added = list(tasks)
        with self._change:
            self._tasks.extendleft(reversed(added))
            self._unfinished += len(added)
            self._change.notify_all()

    def run(self, tasks: Iterable[Task]) -> None:
        """Work until every task is done.

        Raises:
            BaseException: the first that a task raised, or an interrupt of the caller; no task runs any more by then.
        """
        self.add(tasks)
        threads = [
            threading.Thread(target=self._work, name=f"crew-{number}", daemon=True)
            for number in range(self._num_workers)
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
        while True:
            with self._change:
                self._change.wait_for(lambda: self._stopped or self._tasks)
                if self._stopped:
                    return
                task = self._tasks.popleft()
            try:
                task()
            except BaseException as error:
                with self._change:
                    # What follows the first failure is only its echo.
                    self._error = self._error or error
                    self._stopped = True
                    self._change.notify_all()
            with self._change:
                self._unfinished -= 1
                if not self._unfinished:
                    self._change.notify_all()
