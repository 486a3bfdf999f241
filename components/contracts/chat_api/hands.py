"""A bounded number of threads that take items in their order, each when it is free."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, cast

T = TypeVar("T")
_NOTHING = object()


class Hands(Generic[T]):
    """Threads start as they are needed, and take for themselves: handing over costs more than most requests do."""

    def __init__(self, num_threads: int, items: Iterable[T], work: Callable[[T], None]) -> None:
        """Have up to `num_threads` threads do `work` on each of `items`, which one thread at a time asks for the next.

        The first exception, of the items or of the work, stops the taking.
        """
        self._num_threads = num_threads
        self._items = iter(items)
        self._work = work
        self._turn = threading.Lock()
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._num_running = 0
        self._error: BaseException | None = None
        self._stopped = False

    def stopped(self) -> bool:
        """Whether nothing new should be begun."""
        return self._stopped

    def stop(self) -> None:
        """Begin nothing new; what is under way is finished."""
        self._stopped = True

    def run(self) -> None:
        """Wait until everything is done, or nothing is under way after a stop; called again, it goes on waiting.

        Raises:
            BaseException: the first that the items or the work raised.
        """
        if not self._threads:
            self._start()
        with self._change:
            self._change.wait_for(lambda: self._num_running == 0)
        for thread in self._threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"hand-{len(self._threads)}", daemon=True)
        with self._change:
            self._threads.append(thread)
            self._num_running += 1
        thread.start()

    def _serve(self) -> None:
        try:
            self._take_and_work()
        except BaseException as error:
            with self._change:
                self._error = self._error or error
                self._stopped = True
        finally:
            with self._change:
                self._num_running -= 1
                self._change.notify_all()

    def _take_and_work(self) -> None:
        while (item := self._next()) is not _NOTHING:
            self._work(cast("T", item))

    def _next(self) -> T | object:
        with self._turn:
            item = _NOTHING if self._stopped else next(self._items, _NOTHING)
            if item is not _NOTHING and len(self._threads) < self._num_threads:
                self._start()
            return item
