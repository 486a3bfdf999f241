"""The journal of a step that takes long: what was made is appended, and survives kill -9 and a lost machine.

    def judge(*, pairs: Input[...], judgments: Output[...], journal: Journal, params: Params) -> Metrics:
        for pair in pairs.rows():
            if pair.id not in journal:
                journal.append(pair.id, ask(pair))      # on disk when this returns
        judgments.write(row(journal.read(pair.id)) for pair in ...)

`bind` makes it, under the step's identity: the same code, parameters and inputs find it again, and it is removed when
the step's outputs are finished. A parameter that changes nothing about the outputs (a budget, a time limit) is declared
with `json_schema_extra={"identity": False}`, so that another value of it continues the same journal.

Records that threads append at the same time share a line of the file and one fsync (see `journal_file`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.journal_file import (
    FILE_NAME,
    Line,
    Payload,
    Record,
    Span,
    decoded,
    encoded,
    locked,
    packed,
    unpacked,
)
from components.contracts.places import disk_errors

if TYPE_CHECKING:
    from components.contracts.journal_copy import JournalCopy


@dataclass
class _Batch:
    """Records that will be written together."""

    keys: list[str] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    waiting: list[threading.Lock] = field(default_factory=list)
    """One for each thread that waits, held until the records are on disk."""
    error: BaseException | None = None


class _Place(NamedTuple):
    offset: int
    length: int
    check: int


class Journal:
    """Records under keys, durable one by one; any thread may append and read. Nothing is on disk before it is used."""

    def __init__(self, folder: Path, copy: JournalCopy | None = None) -> None:
        """Keep the journal in `folder`.

        Args:
            folder: A folder of its own.
            copy: Where else every line goes, for the day this machine is lost.
        """
        self._folder = folder
        self._copy = copy
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._file: int | None = None
        self._places: dict[str, _Place] = {}
        self._size = 0
        self._session = uuid.uuid4().hex[:12]
        self._number = 0
        self._waiting = _Batch()
        self._writing = False
        self.unfinished = ""
        """Why the step's outputs are not final, when the step says so: nothing then counts as finished work, and the
        journal stays for the next call."""
        self.num_dropped_bytes = 0
        """Length of the half-written last line that was cut off on opening."""

    @property
    def used(self) -> bool:
        """Whether anything was read or written."""
        return self._file is not None

    def claim(self) -> None:
        """Take hold of a journal that is there already, before anything that another holder works with is touched.

        Raises:
            TouchstoneError: as `append`.
        """
        if self._path.exists():
            with self._lock:
                self._open()

    def append(self, key: str, payload: Payload) -> None:
        """Keep `payload` under `key`; it is on disk when this returns. A key appended again replaces the earlier one.

        Raises:
            TouchstoneError: the disk is full or may not be written; another process holds the journal; it is damaged;
                or its copy cannot be written.
            ValueError: the payload is no JSON.
        """
        record = encoded(Record(key, dict(payload)))  # here, since one that is no JSON must not fail those beside it
        with self._lock:
            self._open()
            batch = self._waiting
            batch.keys.append(key)
            batch.records.append(record)
            leads = not self._writing
            if leads:
                self._writing = True
            else:
                written = threading.Lock()
                written.acquire()
                batch.waiting.append(written)
        if leads:
            self._write_all()
        else:
            written.acquire()
        if batch.error is not None:
            raise batch.error

    def read(self, key: str) -> dict[str, object] | None:
        """What was appended under `key`, the last where there are several; None when nothing was.

        Raises:
            TouchstoneError: as `append`.
        """
        with self._lock:
            self._open()
            place = self._places.get(key)
        if place is None:
            return None
        assert self._file is not None
        data = os.pread(self._file, place.length, place.offset)
        if zlib.crc32(data) != place.check:
            raise self._damaged(f"byte {place.offset}")
        return decoded(data).payload

    def __contains__(self, key: str) -> bool:
        with self._lock:
            self._open()
            return key in self._places

    def records(self) -> Iterator[Record]:
        """Everything appended so far, in the order of the file.

        Raises:
            TouchstoneError: as `append`.
        """
        with self._lock:
            self._open()
            end = self._size
        for _, data, line in self._lines(end):
            if line is None:
                raise self._damaged(f"{data[:20]!r}")
            yield from line.records

    def close(self) -> None:
        """Let go of the journal; what is still to be copied is copied first.

        Raises:
            TouchstoneError: the copy cannot be written.
        """
        with self._lock:
            if self._file is None:
                return
            descriptor, self._file = self._file, None
            self._places.clear()
        os.close(descriptor)
        if self._copy is not None:
            self._copy.close()

    def remove(self) -> None:
        """Forget everything: the work is finished elsewhere.

        Raises:
            TouchstoneError: the copy cannot be removed.
        """
        self.close()
        if self._copy is not None:
            self._copy.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another step's stands in it, or has taken it away: cells run side by side
            self._folder.parent.rmdir()

    def _open(self) -> None:
        if self._file is not None:
            return
        path = self._path
        with disk_errors(path):
            self._file = locked(path)
        try:
            known = self._index()
            if self._copy is not None:
                self._exchange(self._copy, known)
        except BaseException:
            os.close(self._file)
            self._file = None
            raise

    def _index(self) -> dict[tuple[str, int], bytes]:
        """Read what is there and cut off what is half-written; gives the lines that a copy may lack."""
        assert self._file is not None
        self._places.clear()
        self._size = 0
        total = os.fstat(self._file).st_size
        known: dict[tuple[str, int], bytes] = {}
        for number, (offset, data, line) in enumerate(self._lines(total), 1):
            if line is None:
                if offset + len(data) < total:
                    raise self._damaged(f"line {number}")
                self.num_dropped_bytes = len(data)
                os.ftruncate(self._file, offset)
                break
            self._remember((record.key for record in line.records), line.spans, len(data))
            if self._copy is not None:
                known[line.session, line.number] = data
        return known

    def _exchange(self, copy: JournalCopy, known: dict[tuple[str, int], bytes]) -> None:
        """Bring the local file and its copy to the same lines."""
        for data in copy.lines():
            line = unpacked(data)
            if line is None:
                raise self._damaged("a line of its copy")
            if known.pop((line.session, line.number), None) is None:
                self._put(data)
                self._remember((record.key for record in line.records), line.spans, len(data))
        for data in known.values():
            copy.add(data)

    def _remember(self, keys: Iterable[str], spans: Iterable[Span], length: int) -> None:
        for key, span in zip(keys, spans, strict=True):
            self._places[key] = _Place(self._size + span.start, span.length, span.check)
        self._size += length

    def _write_all(self) -> None:
        """Write what waits, and what gathers meanwhile: whoever it belongs to is woken once, when it is on disk."""
        interrupt: BaseException | None = None
        while True:
            with self._lock:
                batch = self._waiting
                self._writing = bool(batch.records)
                if not self._writing:
                    break
                self._waiting = _Batch()
            self._write(batch)
            if not isinstance(batch.error, Exception):
                interrupt = interrupt or batch.error
        if interrupt is not None:
            raise interrupt

    def _write(self, batch: _Batch) -> None:
        try:
            data, spans = packed(self._session, self._number, batch.records)
            with disk_errors(self._path):
                self._put(data)
            if self._copy is not None:
                self._copy.add(data)
            with self._lock:
                self._number += 1
                self._remember(batch.keys, spans, len(data))
        except BaseException as error:
            batch.error = error
        for written in batch.waiting:
            written.release()

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
            os.fsync(self._file)
        except BaseException:
            # A full disk: what was written of the line would be followed by the next one, in the middle of the file.
            os.ftruncate(self._file, self._size)
            raise

    def _lines(self, end: int) -> Iterator[tuple[int, bytes, Line | None]]:
        """Offset, bytes and content of every line up to byte `end`."""
        offset = 0
        with self._path.open("rb") as stream:
            while offset < end:
                data = stream.readline()
                yield offset, data, unpacked(data)
                offset += len(data)

    def _damaged(self, where: str) -> TouchstoneError:
        return TouchstoneError(
            f"{self._path} is damaged at {where}",
            expected="the journal as its step wrote it",
            remedy=f"restore the file, or remove {self._folder} and do without the work it holds",
        )
