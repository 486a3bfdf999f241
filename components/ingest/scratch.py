"""Rows set down on disk and read back in any order.

A scratch file lies beside the output, because that is where there is room, and has no name there: whatever ends this
process, it is gone.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from components.contracts.places import disk_errors

BUFFER_BYTES = 1 << 20


class Scratch:
    """A file to append to and to read from. A context manager: the file goes with it."""

    def __init__(self, folder: Path) -> None:
        """Put the file into `folder`, which is made when it is missing.

        Raises:
            TouchstoneError: the folder may not be written.
        """
        self._folder = folder
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: bytes of a buffer that a full disk refused would be refused again when the file is closed.
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # `with Scratch(...)` closes it
        self._pending: list[bytes] = []
        self._num_pending = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, data: bytes) -> int:
        """Add to the end; gives the place where `data` begins.

        Raises:
            TouchstoneError: the disk is full.
        """
        place = self.size
        self._pending.append(data)
        self._num_pending += len(data)
        self.size += len(data)
        if self._num_pending >= BUFFER_BYTES:
            self._flush()
        return place

    def read(self, place: int, length: int) -> bytes:
        """What was appended."""
        self._flush()
        return os.pread(self._file.fileno(), length, place)

    def hashes(self) -> npt.NDArray[np.uint64]:
        """The whole file as 64-bit numbers, in memory only where it is looked at."""
        self._flush()
        return np.memmap(self._file, np.uint64, mode="r") if self.size else np.zeros(0, np.uint64)

    def _flush(self) -> None:
        if self._pending:
            data = memoryview(b"".join(self._pending))
            self._pending.clear()
            self._num_pending = 0
            with disk_errors(self._folder):
                while data:
                    data = data[self._file.write(data) :]
