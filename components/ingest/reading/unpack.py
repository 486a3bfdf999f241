"""A dump's bytes, unpacked on the way: plain, gzip, zstd, or the one file of a zip archive; told by content."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard

from components.contracts.errors import TouchstoneError
from components.contracts.text_lines import GZIP_MAGIC, reading

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZIP_MAGIC = b"PK\x03\x04"
EMPTY_ZIP_MAGIC = b"PK\x05\x06"
HEAD_BYTES = 1 << 16
BUFFER_BYTES = 1 << 20
BROKEN_STREAM = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, zstandard.ZstdError)
"""What reading an `Unpacked` raises where its packed bytes are cut off or damaged; what came before is whole."""

LONGEST_FRAME_HEADER_BYTES = 18
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_RLE_BLOCK, _RESERVED_BLOCK = 1, 3


@dataclass(frozen=True)
class Unpacked:
    """An open dump."""

    stream: io.BufferedReader
    """The unpacked bytes."""
    head: bytes
    """The first of them, up to HEAD_BYTES; they are still in the stream."""
    packing: str
    """Name of the packing; empty = plain."""
    file: IO[bytes]
    """The file itself; its position says how far reading has come."""


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """Open a dump.

    Raises:
        TouchstoneError: missing, a directory, a pipe, unreadable, damaged from its first byte, packed in a way not read
            here, or a zip archive of several files.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise TouchstoneError(f"{path} is a pipe or a device", expected="a file", remedy="save its content to a file")
    with ExitStack() as opened:
        with reading(path):
            file = opened.enter_context(path.open("rb"))
            magic = file.read(4)
            file.seek(0)
            stream, packing = _open(path, file, magic, opened)
            opened.callback(stream.close)
            try:
                head = _read_head(stream)
            except BROKEN_STREAM as error:
                raise TouchstoneError(
                    f"{path}: the {packing} stream is damaged from its start ({error})",
                    expected=f"a whole {packing} file",
                    remedy="fetch or write the file again",
                ) from error
        with io.BufferedReader(_Chained(head, stream), BUFFER_BYTES) as chained:
            yield Unpacked(cast("io.BufferedReader", chained), head, packing, file)


def _open(path: Path, file: io.BufferedReader, magic: bytes, opened: ExitStack) -> tuple[_Stream, str]:
    if magic[:2] == GZIP_MAGIC:
        return gzip.GzipFile(fileobj=file), "gzip"
    if magic == ZSTD_MAGIC:
        return io.BufferedReader(_Zstd(path, file), BUFFER_BYTES), "zstd"
    if magic in {ZIP_MAGIC, EMPTY_ZIP_MAGIC}:
        return _only_member(path, opened.enter_context(_zip(path, file))), "zip"
    return file, ""


def _zip(path: Path, file: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise TouchstoneError(
            f"{path}: the zip archive is damaged ({error})",
            expected="a whole archive",
            remedy="fetch the file again; `unzip -t FILE` checks it",
        ) from error


def _only_member(path: Path, archive: zipfile.ZipFile) -> _Stream:
    members = [
        entry for entry in archive.infolist() if not entry.is_dir() and not entry.filename.startswith("__MACOSX")
    ]
    if len(members) != 1:
        shown = ", ".join(entry.filename for entry in members[:5]) + (", ..." if len(members) > 5 else "")
        raise TouchstoneError(
            f"{path} is a zip archive of {len(members)} files{': ' if members else ''}{shown}",
            expected="an archive of one file, so that every place in it has one name",
            remedy=f"unzip {path.name} and name its files",
        )
    try:
        return cast("zipfile.ZipExtFile", archive.open(members[0]))
    except (RuntimeError, NotImplementedError) as error:
        # zipfile's words for a password, and for a packing it does not know.
        raise TouchstoneError(f"{path}: {error}", remedy=f"unzip {path.name} and name its file") from error


class _Stream(Protocol):
    def read1(self, size: int, /) -> bytes: ...

    def close(self) -> object: ...


def _read_head(stream: _Stream) -> bytes:
    """The first bytes of a stream; all that are whole when it breaks within them."""
    parts: list[bytes] = []
    missing = HEAD_BYTES
    while missing:
        try:
            part = stream.read1(missing)
        except BROKEN_STREAM:
            if not parts:
                raise
            break  # met again, and told, where reading comes to it
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class _Chained(io.RawIOBase):
    """Bytes already read, then the rest of the stream they were read from."""

    def __init__(self, head: bytes, rest: _Stream) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        part = self._rest.read1(len(buffer))
        buffer[: len(part)] = part
        return len(part)


class _Zstd(io.RawIOBase):
    """Unpacked zstd frames; a file that ends inside one, which the library takes for whole, is an EOFError."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        part = self._reader.read(len(buffer))
        if not part and len(buffer):
            with self._path.open("rb") as file:
                _check_frames(file)
        buffer[: len(part)] = part
        return len(part)


def _check_frames(file: IO[bytes]) -> None:
    """Walk from frame to frame and block to block (RFC 8878, 3.1) without unpacking.

    Raises:
        EOFError: the file ends inside a frame.
    """
    size = file.seek(0, io.SEEK_END)
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(LONGEST_FRAME_HEADER_BYTES)
        if len(head) >= 8 and int.from_bytes(head[:4], "little") in _SKIPPABLE:
            place += 8 + int.from_bytes(head[4:8], "little")
            continue
        try:
            place += zstandard.frame_header_size(head)
            checksum_bytes = 4 * zstandard.get_frame_parameters(head).has_checksum
        except zstandard.ZstdError as error:
            raise EOFError(f"no whole zstd frame at byte {place}: {error}") from error
        place = _skip_blocks(file, place, size) + checksum_bytes
    if place > size:
        raise EOFError("the file ends inside a zstd frame")


def _skip_blocks(file: IO[bytes], place: int, size: int) -> int:
    last = False
    while not last:
        file.seek(place)
        header = int.from_bytes(file.read(3), "little")
        kind = header >> 1 & 3
        place += 3 + (1 if kind == _RLE_BLOCK else header >> 3)
        if place > size or kind == _RESERVED_BLOCK:
            raise EOFError("the file ends inside a zstd frame")
        last = bool(header & 1)
    return place
