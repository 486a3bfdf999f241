"""The file of a journal: one line for each write, and one process at a time.

A line is a crc32 in hex, a space, and the JSON of [session, number, records]; it counts as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.contracts.errors import TouchstoneError

TRIES = 100
FILE_NAME = "journal.log"
_CHECK_CHARS = 9
"""The checksum and the space after it."""
_HEAD = re.compile(r'\["(\w*)",(\d+),\[')
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder()

Payload = Mapping[str, object]


class Record(NamedTuple):
    """One entry of a journal."""

    key: str
    payload: dict[str, object]


class Span(NamedTuple):
    """Where a record stands in its line."""

    start: int
    length: int
    check: int
    """Its own crc32: a record is read without the others of its line."""


class Line(NamedTuple):
    """One write: who made it, the how manieth of that process, and its records."""

    session: str
    number: int
    records: list[Record]
    spans: list[Span]


def encoded(record: Record) -> bytes:
    """A record as it stands in a line.

    Raises:
        ValueError: its payload holds a NaN or an infinity.
    """
    # ASCII: replies may hold halves of surrogate pairs, which no UTF-8 file can.
    return _ENCODER.encode(record).encode()


def decoded(data: bytes) -> Record:
    """The record that `encoded` made so."""
    key, payload = json.loads(data)
    return Record(key, payload)


def packed(session: str, number: int, records: Sequence[bytes]) -> tuple[bytes, list[Span]]:
    """A line of encoded records as it stands in the file, and where each of them stands in it."""
    head = f'["{session}",{number},['.encode()
    spans, start = [], _CHECK_CHARS + len(head)
    for record in records:
        spans.append(Span(start, len(record), zlib.crc32(record)))
        start += len(record) + 1
    body = head + b",".join(records) + b"]]"
    return b"%08x %b\n" % (zlib.crc32(body), body), spans


def unpacked(data: bytes) -> Line | None:
    """The line in `data`; None when it is not whole."""
    body = data[_CHECK_CHARS:-1]
    if not data.endswith(b"\n") or data[:_CHECK_CHARS] != b"%08x " % zlib.crc32(body):
        return None
    text = body.decode("ascii")
    head = _HEAD.match(text)
    assert head is not None
    line, at = Line(head[1], int(head[2]), [], []), head.end()
    while text[at] != "]":
        (key, payload), end = _DECODER.raw_decode(text, at)
        line.records.append(Record(key, payload))
        line.spans.append(Span(_CHECK_CHARS + at, end - at, zlib.crc32(body[at:end])))
        at = end + (text[end] == ",")
    return line


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
