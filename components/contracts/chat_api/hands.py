"""A bounded number of threads, and items handed to whichever is free."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Hands(Generic[T]):
    """Threads start as they are needed. The first exception stops the handing out and is raised to the giver."""

    def __init__(self, num_threads: int, work: Callable[[T], None]) -> None:
        """Have up to `num_threads` threads do `work`."""
        self._num_threads = num_threads
        self._work = work
        self._change = threading.Condition()
        self._given: deque[T] = deque()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._closed = False
        self._error: BaseException | None = None
        self._stopped = False

    def stopped(self) -> bool:
        """Whether nothing new should be begun."""
        return self._stopped

    def stop(self) -> None:
        """Begin nothing new."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def wait_for_one(self) -> None:
        """Wait until a thread is free; only the giver can take it.

        Raises:
            BaseException: the first that the work raised.
        """
        with self._change:
            self._change.wait_for(lambda: self._stopped or self._busy + len(self._given) < self._num_threads)
            self._raise()

    def give(self, item: T) -> None:
        """Hand `item` to a free thread; waits for one.

        Raises:
            BaseException: the first that the work raised.
        """
        self.wait_for_one()
        with self._change:
            self._given.append(item)
            if len(self._threads) < self._busy + len(self._given):
                self._start()
            self._change.notify_all()

    def finish(self) -> None:
        """Wait until everything handed out is done, and send the threads home.

        Raises:
            BaseException: the first that the work raised.
        """
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()
        self._raise()

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"hand-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._given or self._closed)
                if not self._given:
                    return
                item = self._given.popleft()
                self._busy += 1
            try:
                self._work(item)
            except BaseException as error:
                with self._change:
                    self._error = self._error or error
                    self._stopped = True
            with self._change:
                self._busy -= 1
                self._change.notify_all()
