"""When the next request may be sent: a server's wish holds for all threads, a single failure for one."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable

from components.contracts.chat_api.clock import Clock
from components.contracts.chat_api.problems import TryAgain
from components.contracts.errors import TouchstoneError

FIRST_SECONDS = 1.0
"""The first pause after a failure; each further one is twice as long."""
LONGEST_SECONDS = 60.0
NAP_SECONDS = 1.0
"""Longest sleep without looking whether the work was called off."""
QUIET_SECONDS = 5.0
"""Time without a reply that is not worth a line."""
REPEAT_SECONDS = 60.0
"""How often a wait that goes on is told."""


def pause(failures: int, draw: random.Random) -> float:
    """Seconds to wait after the nth failure in a row (n from 1): between half of the step and all of it."""
    step: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
    return step * draw.uniform(0.5, 1.0)


class Pace:
    """Pauses of the whole fleet, and its patience."""

    def __init__(self, where: str, *, patience_seconds: float, clock: Clock, draw: random.Random) -> None:
        """Speak for the server at `where`."""
        self._where = where
        self._patience = patience_seconds
        self._clock = clock
        self._draw = draw
        self._lock = threading.Lock()
        self._paused_at = float("-inf")
        self._paused_until = float("-inf")
        self._num_pauses = 0
        self._failing_since: float | None = None
        self._told_at: float | None = None

    def wait(self, stopped: Callable[[], bool]) -> float:
        """Wait until requests may be sent; gives the moment."""
        while True:
            now = self._clock.monotonic()
            left = self._paused_until - now
            if left <= 0 or stopped():
                return now
            self._clock.sleep(min(left, NAP_SECONDS))

    def rest(self, seconds: float, stopped: Callable[[], bool]) -> None:
        """Let one thread wait."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0 and not stopped():
            self._clock.sleep(min(left, NAP_SECONDS))

    def answered(self) -> None:
        """A reply came."""
        with self._lock:
            self._num_pauses, self._failing_since, self._told_at = 0, None, None

    def failed(self, problem: TryAgain, sent_at: float) -> None:
        """An attempt that was sent at `sent_at` failed: pause everyone when the server wants it.

        Raises:
            TouchstoneError: patience is at its end.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._failing_since is None:
                self._failing_since = now
            wanted = problem.wait_seconds or 0.0
            if now - self._failing_since > self._patience or wanted > self._patience:
                asked = f" and asks to wait {wanted:.0f} s" if wanted else ""
                raise TouchstoneError(
                    f"{self._where} has not answered for {now - self._failing_since:.0f} s{asked}; last: {problem}",
                    expected=f"a reply within patience_seconds = {self._patience:.0f}",
                    remedy="run the same command again later: it continues, and no reply is paid for twice",
                )
            # Requests that were on their way when the pause began tell nothing new about how long it has to be.
            # A wish for no time at all is none: it would be repeated as fast as the network allows.
            if problem.throttled and not wanted and sent_at > self._paused_at:
                self._num_pauses += 1
                wanted = pause(self._num_pauses, self._draw)
            if wanted and now + wanted > self._paused_until:
                self._paused_at, self._paused_until = now, now + wanted
            self._tell(problem, now)

    def _tell(self, problem: TryAgain, now: float) -> None:
        assert self._failing_since is not None
        # Most failures are mended by the next attempt, and no news.
        due = (
            now - self._failing_since >= QUIET_SECONDS
            if self._told_at is None
            else now - self._told_at >= REPEAT_SECONDS
        )
        if due:
            self._told_at = now
            sys.stderr.write(f"{self._where}: {problem}; still trying\n")
