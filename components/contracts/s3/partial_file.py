"""A file that is filled in parts, in any order, by a process that may be killed at any moment.

Beside `NAME.partial` lies `NAME.journal`: a line that says what is being fetched, then one line for each part whose
bytes were written. A line is appended after its bytes; a torn last line is not believed.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path


class PartialFile:
    """An open partial file of known size, with what earlier attempts left in it."""

    def __init__(self, path: Path, *, size_bytes: int, identity: Mapping[str, object]) -> None:
        """Open or begin `path`; what another identity left there is forgotten.

        Args:
            path: Where the finished file would be, if it had the suffix .partial.
            size_bytes: Of the whole file; reserved at once, so that a full disk is met before anything is fetched.
            identity: What must be equal for earlier parts to be of use.

        Raises:
            OSError: the disk is full or may not be written.
        """
        self._path = path.with_name(path.name + ".partial")
        self._journal_path = path.with_name(path.name + ".journal")
        header = json.dumps(dict(identity), sort_keys=True)
        self.done = _read_journal(self._journal_path, header) if self._path.is_file() else set()
        """Parts that earlier attempts have written, counted from 0."""
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _reserve(self.descriptor, size_bytes)
            # Written anew: a line appended to a torn one would name another part.
            aside = self._journal_path.with_suffix(".aside")
            aside.write_text("".join(f"{line}\n" for line in (header, *sorted(self.done))), encoding="utf-8")
            aside.replace(self._journal_path)
            self._journal = os.open(self._journal_path, os.O_WRONLY | os.O_APPEND)
        except BaseException:
            os.close(self.descriptor)
            raise

    def write(self, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self.descriptor, view, offset)
            view, offset = view[written:], offset + written

    def mark(self, part: int) -> None:
        """Remember that all bytes of `part` are written."""
        os.write(self._journal, f"{part}\n".encode())

    def move_to(self, target: Path) -> None:
        """Make the file visible under its name, whole."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(target)
        self._journal_path.unlink()

    def forget(self) -> None:
        """Remove what was written."""
        self._path.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files; what was written stays for the next attempt."""
        os.close(self.descriptor)
        os.close(self._journal)


def _reserve(descriptor: int, size_bytes: int) -> None:
    if size_bytes:
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                raise
    os.ftruncate(descriptor, size_bytes)


def _read_journal(path: Path, header: str) -> set[int]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return set()
    # What follows the last line end was being written when the process died.
    whole = lines[:-1]
    if not whole or whole[0] != header:
        return set()
    return {int(line) for line in whole[1:] if line.isdigit()}
