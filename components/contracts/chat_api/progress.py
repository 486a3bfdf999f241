"""How far the work is, for whoever wants to show it; steps report, a command line may listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A moment of the work."""

    done: int
    """Of what the step counts: requests, or examples."""
    total: int
    """Of the same, in the end."""
    usd: float
    """Spent so far, lost replies included; 0 where prices are not known."""
    tokens: int
    """Spent so far, likewise."""


Told = Callable[[], None]
Listener = Callable[[Progress], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` told while the block runs; it must be quick, and may be called from any thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def current() -> Listener:
    """Whoever listens in this context; a function that does nothing when nobody does."""
    return _listener.get() or (lambda progress: None)
