"""The file of a journal: one line for each write, and one process at a time.

A line is a crc32 in hex, a space, and the JSON of [session, number, records]; it counts as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.contracts.errors import TouchstoneError

TRIES = 100
FILE_NAME = "journal.log"
_CHECK_CHARS = 9
"""The checksum and the space after it."""

Payload = Mapping[str, object]


class Record(NamedTuple):
    """One entry of a journal."""

    key: str
    payload: dict[str, object]


class Line(NamedTuple):
    """One write: who made it, the how manieth of that process, and its records."""

    session: str
    number: int
    records: list[Record]


def packed(line: Line) -> bytes:
    """A line as it stands in the file.

    Raises:
        ValueError: a payload holds a NaN or an infinity.
    """
    # ASCII: replies may hold halves of surrogate pairs, which no UTF-8 file can.
    body = json.dumps([line.session, line.number, line.records], separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def unpacked(data: bytes) -> Line | None:
    """The line in `data`; None when it is not whole."""
    body = data[_CHECK_CHARS:-1]
    if not data.endswith(b"\n") or data[:_CHECK_CHARS] != b"%08x " % zlib.crc32(body):
        return None
    session, number, records = json.loads(body)
    return Line(session, number, [Record(key, payload) for key, payload in records])


def _make(folder: Path) -> None:
    """Make a folder, again where a neighbour that ended took the empty one above it away meanwhile."""
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return folder.mkdir(parents=True, exist_ok=True)
    return folder.mkdir(parents=True, exist_ok=True)


def locked(path: Path) -> int:
    """Open a file that no other process may open this way meanwhile; gives its descriptor.

    Raises:
        TouchstoneError: another process has it open.
        OSError: it cannot be made.
    """
    while True:
        _make(path.parent)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise TouchstoneError(
                f"another process is doing the same work: it holds {path}",
                expected="one process for one piece of work",
                remedy="wait until it ends, or stop it, and run the same command again",
            ) from error
        except OSError:
            pass  # some network file systems know no locks
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            if is_new:
                _sync_folder(path.parent)
            return descriptor
        # Whoever held it has finished and removed it in between.
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
