"""sha256 of a file whose parts become ready in any order."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

BLOCK_BYTES = 512 << 10
"""Read and hashed at a time: stays in a core's cache."""


class OrderedDigest:
    """Follows the longest run of ready parts from the file's beginning; nobody ever waits.

    Who works on the next part in order may `claim` it and `feed` its bytes as they pass. Any other part is reported
    `ready` and read back from the file when its turn comes, by whoever closed the gap before it.
    """

    def __init__(self, descriptor: int, *, size_bytes: int, part_bytes: int) -> None:
        """Hash `size_bytes` of an open file in parts of `part_bytes` (the last may be shorter)."""
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._ready: set[int] = set()
        self._position = 0
        self._next = 0
        self._busy = False

    def claim(self, part: int) -> bool:
        """Whether the caller may feed `part` (from 0), and nobody else until it is reported ready."""
        with self._lock:
            if self._busy or part != self._next:
                return False
            self._busy = True
            return True

    def feed(self, data: bytes | memoryview, offset: int) -> None:
        """Hash bytes of the claimed part, in order; such as were fed before are left out."""
        fresh = memoryview(data)[self._position - offset :]
        self._digest.update(fresh)
        self._position += len(fresh)

    def ready(self, *parts: int, claimed: bool = False, stopped: Callable[[], bool] = lambda: False) -> None:
        """Report parts whose bytes can be read from the file, and hash what follows on.

        Args:
            parts: Their numbers.
            claimed: The caller holds a claim; it ends here.
            stopped: Says whether the digest is still wanted.

        Raises:
            EOFError: the file is shorter than was said.
        """
        with self._lock:
            self._ready.update(parts)
            if self._busy and not claimed:
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
        assert self._position == self._size_bytes, "parts are missing"
        return self._digest.hexdigest()

    def _take(self) -> bool:
        with self._lock:
            if self._next in self._ready:
                return True
            # Under the lock: a part reported from now on finds nobody busy, and is hashed by its reporter.
            self._busy = False
            return False

    def _hash(self, part: int) -> None:
        end = min((part + 1) * self._part_bytes, self._size_bytes)
        while self._position < end:
            block = os.pread(self._descriptor, min(BLOCK_BYTES, end - self._position), self._position)
            if not block:
                raise EOFError(f"the file ends at byte {self._position} of {self._size_bytes}")
            self.feed(block, self._position)
