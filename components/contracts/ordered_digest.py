"""sha256 of a file whose parts become ready in any order."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

BLOCK_BYTES = 512 << 10
"""Read and hashed at a time: stays in a core's cache."""


class OrderedDigest:
    """Follows the longest run of ready parts from the file's beginning.

    Whoever reports the part that lengthens this run hashes it, and what lies ready behind it; nobody ever waits. Parts
    are read back from the file (its cached pages), so what is hashed is what is stored.
    """

    def __init__(self, descriptor: int, *, size_bytes: int, part_bytes: int) -> None:
        """Hash `size_bytes` of an open file in parts of `part_bytes` (the last may be shorter)."""
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._ready: set[int] = set()
        self._next = 0
        self._busy = False

    def ready(self, *parts: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Report parts (counted from 0) whose bytes can be read, and hash what follows on.

        Raises:
            EOFError: the file is shorter than was said.
        """
        with self._lock:
            self._ready.update(parts)
            if self._busy:
                return
            self._busy = True
        try:
            while self._take() and not stopped():
                self._hash(self._next)
                self._next += 1
        except BaseException:
            self._busy = False
            raise

    def hexdigest(self) -> str:
        """The file's sha256, once every part was reported and every call of `ready` has returned."""
        assert self._next * self._part_bytes >= self._size_bytes, "parts are missing"
        return self._digest.hexdigest()

    def _take(self) -> bool:
        with self._lock:
            if self._next in self._ready:
                return True
            # Under the lock: a part reported from now on finds nobody busy, and is hashed by its reporter.
            self._busy = False
            return False

    def _hash(self, part: int) -> None:
        position = part * self._part_bytes
        end = min(position + self._part_bytes, self._size_bytes)
        while position < end:
            block = os.pread(self._descriptor, min(BLOCK_BYTES, end - position), position)
            if not block:
                raise EOFError(f"the file ends at byte {position} of {self._size_bytes}")
            self._digest.update(block)
            position += len(block)
