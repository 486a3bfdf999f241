"""What is noticed while a dump is read: warnings about the whole, and how far reading has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

FEW_CONVERSATIONS = 5
MOST_OF_ALL = 0.9
"""Share of conversations beyond which a habit is the dump's; in real ShareGPT chunks a third begin with the target."""


@dataclass
class Tally:
    """What was noticed while a dump was read and is no property of a single conversation."""

    conversations: int = 0
    """Conversations met, kept or not."""
    assistant_first: int = 0
    """Those whose first turn (system turns aside) is the assistant's."""
    user_last: int = 0
    """Those whose last turn is the user's."""
    damaged: list[str] = field(default_factory=list)
    """Where and why reading stopped before the end of a file."""

    def warnings(self) -> list[str]:
        """Sentences for a person; empty when nothing looks strange."""
        found = list(self.damaged)
        many = self.conversations >= FEW_CONVERSATIONS
        if many and self.assistant_first >= MOST_OF_ALL * self.conversations:
            share = f"{self.assistant_first:,} of {self.conversations:,} conversations begin with the target's turn"
            if self.user_last >= MOST_OF_ALL * self.conversations:
                found.append(f"{share} and end with the user's: the roles may be swapped in the dump")
            else:
                found.append(f"{share}: their first queries are missing, or the roles are swapped in the dump")
        return found


_watch: ContextVar[Callable[[Path, int], None] | None] = ContextVar("watch", default=None)


@contextmanager
def watching(callback: Callable[[Path, int], None]) -> Iterator[None]:
    """While this lasts, readers call `callback(file, bytes of it consumed so far)` now and then."""
    token = _watch.set(callback)
    try:
        yield
    finally:
        _watch.reset(token)


def report(path: Path, num_bytes: int) -> None:
    """Tell whoever watches, if anybody does, that so many bytes of a file are read."""
    callback = _watch.get()
    if callback is not None:
        callback(path, num_bytes)
