"""Lines of a file that somebody else wrote: gzip or not, UTF-8, every failure with its place."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from components.contracts.errors import TouchstoneError

GZIP_MAGIC = b"\x1f\x8b"
UTF16 = "UTF-16 text"
FOREIGN_MAGIC = {
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": UTF16,
    b"\xfe\xff": UTF16,
}
UTF8_BOM = b"\xef\xbb\xbf"
READABLE = "UTF-8 text, plain or gzip: JSON, JSONL, CSV with a header, or YAML"


class Line(NamedTuple):
    """A line with its end."""

    number: int
    text: str


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the operating system and zlib say into errors that name the file.

    Raises:
        TouchstoneError: missing, a directory, unreadable, or a damaged gzip stream.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise TouchstoneError(f"{path} does not exist", expected="a file", remedy="check the path") from error
    except IsADirectoryError as error:
        raise TouchstoneError(f"{path} is a directory", expected="a file", remedy="name one of its files") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TouchstoneError(
            f"{path}: the gzip stream is cut off or damaged ({error})",
            expected="a whole gzip file",
            remedy="fetch or write the file again; `gzip -t FILE` checks it",
        ) from error
    except OSError as error:
        raise TouchstoneError(
            f"{path} cannot be read: {error.strerror or error}", expected="a readable file", remedy="check the path"
        ) from error


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked when its first two bytes say gzip."""
    if path.exists() and not path.is_file() and not path.is_dir():
        # A pipe can be read once only, and some files are looked at twice (to tell their kind, to digest them).
        raise TouchstoneError(f"{path} is a pipe or a device", expected="a file", remedy="save its content to a file")
    with path.open("rb") as raw:
        if raw.peek(2)[:2] == GZIP_MAGIC:
            with gzip.open(raw, "rb") as stream:
                yield stream  # type: ignore[misc]  # typeshed: GzipFile is no IO[bytes], though it reads like one
        else:
            yield raw


def decoded_lines(path: Path, stream: IO[bytes]) -> Iterator[Line]:
    """Lines with their ends, split at newlines only: U+2028 inside a JSON string ends nothing.

    Raises:
        TouchstoneError: a byte is not UTF-8, or the file opens like a known binary format.
    """
    offset = 0
    for number, raw in enumerate(stream, 1):
        if number == 1:
            _refuse_foreign(path, raw)
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            bad = raw.removeprefix(UTF8_BOM)[error.start] if number == 1 else raw[error.start]
            raise TouchstoneError(
                f"{path}, line {number}: byte 0x{bad:02x} at offset {offset + error.start} is not UTF-8",
                expected="UTF-8 text",
                remedy=f"convert it, e.g. iconv -f latin1 -t utf-8 {path.name}; or write it again as UTF-8",
            ) from error
        yield Line(number, text)
        offset += len(raw)


def _refuse_foreign(path: Path, head: bytes) -> None:
    for magic, name in FOREIGN_MAGIC.items():
        if head.startswith(magic):
            remedy = "convert or unpack it first"
            if name == UTF16:
                remedy = f"iconv -f utf-16 -t utf-8 {path.name} > utf8-{path.name}"
            raise TouchstoneError(f"{path} is {name}", expected=READABLE, remedy=remedy)
