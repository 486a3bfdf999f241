"""Waiting for a service that does not answer: how long, how often, and what the user is told meanwhile."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")

QUIET_SECONDS = 2.0
"""Hiccups shorter than this are not worth a line."""
REPEAT_SECONDS = 60.0
"""How often a wait that goes on is told again."""
NAP_SECONDS = 1.0
"""Longest sleep without looking whether the work was called off."""


class Clock(Protocol):
    """Time that passes, and can be waited for; tests bring their own."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)


class Unavailable(Exception):
    """The service failed in a way that another try may mend; the message says how."""


class CalledOff(Exception):
    """The work was given up elsewhere while this thread was waiting."""


@dataclass(frozen=True)
class Patience:
    """How long to go on, and how pauses grow: doubled each time, with jitter lest waiters march in step."""

    deadline_seconds: float = 300.0
    """Time without any success after which a request is given up."""
    first_seconds: float = 0.2
    """The first pause."""
    longest_seconds: float = 10.0
    """The longest pause."""

    def pause(self, failures: int, draw: random.Random) -> float:
        """Seconds to wait after the nth failure in a row (n from 1): between half of the step and all of it."""
        step: float = min(self.longest_seconds, self.first_seconds * 2.0 ** (failures - 1))
        return step * draw.uniform(0.5, 1.0)


class Waiting:
    """Repeats what is `Unavailable` until it works or the patience is spent; one voice for all threads."""

    def __init__(
        self,
        place: str,
        *,
        patience: Patience,
        clock: Clock,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        """Speak for the service at `place`.

        Args:
            place: How the user knows the service.
            patience: When to give up.
            clock: Time.
            on_retry: Called before every repetition.
        """
        self._place = place
        self._patience = patience
        self._clock = clock
        self._on_retry = on_retry
        self._draw = random.Random()
        self._lock = threading.Lock()
        self._told_at: float | None = None

    def call(self, action: Callable[[], T], *, stopped: Callable[[], bool] = lambda: False) -> T:
        """Do `action`, again and again while it is Unavailable.

        Args:
            action: What to do; any other exception passes through.
            stopped: Says whether the result is still wanted.

        Raises:
            Unavailable: the last one, once the deadline has passed.
            CalledOff: `stopped` said so during a pause.
        """
        failures, failing_since = 0, 0.0
        while True:
            try:
                result = action()
            except Unavailable as error:
                now = self._clock.monotonic()
                failures += 1
                failing_since = failing_since if failures > 1 else now
                left = failing_since + self._patience.deadline_seconds - now
                if left <= 0:
                    raise
                self._tell(error, now, since=failing_since, left=left)
                self._rest(min(left, self._patience.pause(failures, self._draw)), stopped)
                self._on_retry()
            else:
                self._answered()
                return result

    def _rest(self, seconds: float, stopped: Callable[[], bool]) -> None:
        while seconds > 0:
            if stopped():
                raise CalledOff
            nap = min(NAP_SECONDS, seconds)
            self._clock.sleep(nap)
            seconds -= nap

    def _tell(self, error: Unavailable, now: float, *, since: float, left: float) -> None:
        with self._lock:
            due = now - since >= QUIET_SECONDS if self._told_at is None else now - self._told_at >= REPEAT_SECONDS
            if due:
                self._told_at = now
                sys.stderr.write(f"{self._place}: {error}; trying again for {left:.0f} s more\n")

    def _answered(self) -> None:
        with self._lock:
            if self._told_at is not None:
                self._told_at = None
                sys.stderr.write(f"{self._place} answers again\n")
