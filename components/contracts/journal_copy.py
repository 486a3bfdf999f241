"""A journal's lines in an object store as well: a node that is lost takes next to nothing with it.

Lines go out in a thread of their own. While one object is being written the next lines gather, and become the next
object together: as fast as the store answers, and never slower than the step.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from components.contracts.errors import TouchstoneError

if TYPE_CHECKING:
    from components.contracts.object_store import ObjectStore

NUM_READERS = 16


class JournalCopy:
    """Objects `PREFIX/NUMBER-SESSION.log` of whole lines."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        """Copy into `store` below `prefix`."""
        self._store = store
        self._prefix = prefix
        self._session = uuid.uuid4().hex[:8]
        self._number = 0
        self._change = threading.Condition()
        self._gathered: list[bytes] = []
        self._thread: threading.Thread | None = None
        self._closing = False
        self._error: TouchstoneError | None = None

    def lines(self) -> Iterator[bytes]:
        """Every line in the store, objects in the order of their numbers.

        Raises:
            TouchstoneError: the store cannot be read.
        """
        keys = sorted(self._store.keys(f"{self._prefix}/"))
        if keys:
            self._number = 1 + int(keys[-1].rpartition("/")[2].partition("-")[0])
        with ThreadPoolExecutor(NUM_READERS) as readers:
            for data in readers.map(self._store.read_bytes, keys):
                yield from data.splitlines(keepends=True)

    def add(self, line: bytes) -> None:
        """Have a line copied.

        Raises:
            TouchstoneError: an earlier line could not be.
        """
        with self._change:
            if self._error is not None:
                raise self._error
            self._gathered.append(line)
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._work, name="journal-copy", daemon=True)
                self._thread.start()
            self._change.notify_all()

    def close(self) -> None:
        """Wait until everything is copied.

        Raises:
            TouchstoneError: it could not be.
        """
        with self._change:
            thread, self._closing = self._thread, True
            self._change.notify_all()
        if thread is not None:
            thread.join()
            self._thread = None
        if self._error is not None:
            raise self._error

    def remove(self) -> None:
        """Remove all objects; nothing there is no error.

        Raises:
            TouchstoneError: the store cannot be used.
        """
        if next(iter(self._store.keys(f"{self._prefix}/")), None) is not None:
            self._store.delete(self._prefix)

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._gathered or self._closing)
                lines, self._gathered = self._gathered, []
            if not lines:
                return
            try:
                self._store.write_bytes(f"{self._prefix}/{self._number:08d}-{self._session}.log", b"".join(lines))
            except TouchstoneError as error:
                with self._change:
                    self._error = error
                return
            self._number += 1
