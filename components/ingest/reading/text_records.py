"""Records of line-based dumps: JSONL and CSV, streamed, with a bound on every line and every row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import NamedTuple

from components.contracts import files
from components.ingest.reading.raw_records import Item, RawRecord, Unreadable, bad_byte, damaged, shown
from components.ingest.reading.sources import Limits
from components.ingest.reading.unpack import BROKEN_STREAM

UTF8_BOM = b"\xef\xbb\xbf"
SKIP_BYTES = 1 << 20
DELIMITERS = (",", "\t", ";")


class RawLine(NamedTuple):
    """A line without its end."""

    number: int
    """From 1."""
    raw: bytes
    """Its bytes; the head of it when `skipped`."""
    skipped: int = 0
    """Bytes of an overlong line that were passed over."""
    ended: bool = True
    """False: the file ends here without a line end."""


class GivenUp(Exception):
    """Reading cannot go on: the packed stream breaks, or no line end comes in sight. `args`: place, found, head."""


def raw_lines(stream: io.BufferedReader, limits: Limits, *, blank: bool = False) -> Iterator[RawLine]:
    """Lines, without blank ones unless asked for, each at most `limits.record_bytes` long in memory.

    Raises:
        GivenUp: as above.
    """
    number = blank_bytes = 0
    while True:
        number += 1
        try:
            raw = stream.readline(limits.record_bytes + 1)
            if not raw:
                return
            ended = raw.endswith(b"\n")
            skipped = 0 if ended or len(raw) <= limits.record_bytes else _skip_line(stream, limits)
        except BROKEN_STREAM as error:
            raise GivenUp(f"line {number}", f"the packed stream is cut off or damaged ({error})") from error
        if skipped > limits.skipped_bytes:
            found = f"a line of more than {limits.skipped_bytes >> 20} MiB: no text, or a compression bomb"
            raise GivenUp(f"line {number}", found, raw)
        if number == 1:
            raw = raw.removeprefix(UTF8_BOM)
        blank_bytes = 0 if raw.strip() else blank_bytes + len(raw)
        if blank_bytes > limits.record_bytes:
            raise GivenUp(f"line {number}", f"{blank_bytes >> 20} MiB of blank lines one after another")
        if blank or not blank_bytes:
            yield RawLine(number, raw, skipped, ended)


def _skip_line(stream: io.BufferedReader, limits: Limits) -> int:
    skipped = 0
    while skipped <= limits.skipped_bytes:
        part = stream.readline(SKIP_BYTES)
        skipped += len(part)
        if not part or part.endswith(b"\n"):
            break
    return skipped


def jsonl_records(stream: io.BufferedReader, limits: Limits) -> Iterator[Item]:
    """One object a line; a line that is none is told, and reading goes on."""
    try:
        for line in raw_lines(stream, limits):
            yield _too_long(line, limits) if line.skipped else _jsonl_record(line)
    except GivenUp as error:
        yield damaged(*error.args)


def _too_long(line: RawLine, limits: Limits) -> Unreadable:
    size = (len(line.raw) + line.skipped) / (1 << 20)
    found = f"the line has {size:.1f} MiB, more than {limits.record_bytes / (1 << 20):.3g}"
    return Unreadable(f"line {line.number}", "too_long", found, shown(line.raw))


def _jsonl_record(line: RawLine) -> Item:
    place = f"line {line.number}"
    try:
        text = line.raw.decode()
    except UnicodeDecodeError as error:
        return Unreadable(place, "malformed", bad_byte(line.raw, error), shown(line.raw))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.startswith("\0"):
            # The line before was UTF-16: half of its line end was left to this one.
            return _jsonl_record(line._replace(raw=line.raw.lstrip(b"\0")))
        found = "the line looks like UTF-16" if "\0" in text else f"no whole JSON ({error})"
        if not line.ended:
            return damaged(place, f"{found}: the file ends inside this record", line.raw.decode())
        return Unreadable(place, "malformed", found, shown(text))
    if not isinstance(value, dict):
        return Unreadable(place, "malformed", f"{files.show(value)} is not an object", shown(text))
    return RawRecord(place, value, text)


def csv_records(stream: io.BufferedReader, limits: Limits) -> Iterator[Item]:
    """Rows under a header; a row of the wrong width or with foreign bytes is told, and reading goes on.

    An open quote swallows everything after it, so that the rest of the file counts as lost.
    """
    # The limit is a global of the module; a row as a whole is bounded by `_csv_lines`.
    csv.field_size_limit(limits.record_bytes)
    lines = _CsvLines(stream, limits)
    rows = csv.reader(lines, delimiter=lines.delimiter, strict=True)
    header: list[str] | None = None
    while True:
        lines.start_row()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except GivenUp as error:
            yield damaged(*error.args)
            return
        except csv.Error as error:
            yield damaged(
                lines.place, f"no CSV row ({error}): a quote is left open or stands inside a cell", lines.head
            )
            return
        if header is None:
            header = [cell.strip() for cell in cells]
            if len(set(header)) != len(header):
                yield damaged(lines.place, f"the header names a column twice: {', '.join(header)}", lines.head)
                return
        elif cells:
            yield _csv_record(lines, header, cells)


def _csv_record(lines: _CsvLines, header: list[str], cells: list[str]) -> Item:
    if lines.foreign:
        return Unreadable(lines.place, "malformed", lines.foreign, shown(lines.head))
    if len(cells) != len(header):
        found = f"{len(cells)} cells under {len(header)} columns ({', '.join(header)[:200]})"
        return Unreadable(lines.place, "malformed", found, shown(lines.head))
    return RawRecord(lines.place, dict(zip(header, cells, strict=True)))


class _CsvLines:
    """Lines for csv.reader, which asks for as many as a row has; remembers where the row began."""

    def __init__(self, stream: io.BufferedReader, limits: Limits) -> None:
        self._lines = raw_lines(stream, limits, blank=True)
        self._limits = limits
        self._size = 0
        self._first = next(self._lines, None)
        opening = self._first.raw.decode("utf-8", "replace") if self._first else ""
        self.delimiter = next((mark for mark in DELIMITERS if mark in opening), ",")
        self.place = ""
        self.head = b""
        self.foreign = ""

    def start_row(self) -> None:
        """Forget the row before."""
        self._size = 0
        self.place, self.head, self.foreign = "", b"", ""

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line, self._first = self._first or next(self._lines), None
        if not self.place:
            self.place, self.head = f"line {line.number}", line.raw
        self._size += len(line.raw)
        if line.skipped or self._size > self._limits.record_bytes:
            found = f"a row of more than {self._limits.record_bytes / (1 << 20):.3g} MiB: a quote is left open"
            raise GivenUp(self.place, found, self.head)
        try:
            return line.raw.decode()
        except UnicodeDecodeError as error:
            self.foreign = bad_byte(line.raw, error)
            return line.raw.decode("utf-8", "replace")
