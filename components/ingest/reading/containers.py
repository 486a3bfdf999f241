"""Which container a dump is, told by its first bytes, and its records: one stream, whatever the container."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from components.contracts import files
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.text_lines import FOREIGN_MAGIC, reading
from components.ingest.reading.columnar import columnar_records, is_columnar
from components.ingest.reading.discord import exchanges
from components.ingest.reading.json_stream import Window, array_records, member_records, object_records
from components.ingest.reading.raw_records import Item, RawRecord
from components.ingest.reading.sources import DumpSource, Limits
from components.ingest.reading.text_records import DELIMITERS, UTF8_BOM, csv_records, jsonl_records
from components.ingest.reading.unpack import Unpacked, unpacked

Kind = Literal["JSON array", "JSON objects", "JSONL", "Discord export", "CSV", "YAML"]

READABLE = "JSON, JSONL, CSV with a header, YAML (as UTF-8, plain, gzip, zstd or zip), Parquet or Arrow"
_DISCORD = re.compile(r'\{\s*"(guild|channel)"\s*:\s*\{')
_YAML_OPENING = re.compile(r"""(#|---|%YAML|-\s|["']?[\w .\-/]+["']?\s*:(\s|$))""")


def container_records(
    path: Path, source: DumpSource, limits: Limits, consumed: Callable[[int], None]
) -> Iterator[Item]:
    """Every record of a file, and every place where there is none to be had.

    Args:
        path: The file.
        source: Who the target is in a Discord export.
        limits: Bounds on a record.
        consumed: Told after every record how far into the (packed) file reading has come, in bytes.

    Raises:
        TouchstoneError: the file cannot be opened or is of another kind.
    """
    with unpacked(path) as opened:
        if is_columnar(opened.head):
            if opened.packing:
                raise TouchstoneError(
                    f"{path} is a Parquet or Arrow file inside {opened.packing}",
                    expected="the file itself: it is compressed inside",
                    remedy="unpack it first",
                )
            yield from columnar_records(path, opened.head, limits)
            return
        for item in _text_records(path, opened, source, limits):
            yield item
            consumed(opened.file.tell())


def _text_records(path: Path, opened: Unpacked, source: DumpSource, limits: Limits) -> Iterator[Item]:
    kind = _kind(path, opened.head)
    if kind == "JSONL":
        return jsonl_records(opened.stream, limits)
    if kind == "CSV":
        return csv_records(opened.stream, limits)
    if kind == "JSON array":
        return array_records(Window(opened.stream, limits))
    if kind == "JSON objects":
        return object_records(Window(opened.stream, limits))
    if kind == "Discord export":
        return exchanges(path, member_records(Window(opened.stream, limits), "messages"), source.self_author)
    return _yaml_records(path, opened, limits)


def _kind(path: Path, head: bytes) -> Kind:
    _refuse_foreign(path, head)
    text = head.removeprefix(UTF8_BOM).decode("utf-8", "replace").lstrip()
    if not text:
        raise TouchstoneError(f"{path} is empty", expected=READABLE, remedy="check how the file was written")
    opening, _, rest = text.partition("\n")
    opening = opening.rstrip()
    if opening[0] == "[":
        return "JSON array"
    if opening[0] == "{":
        if _DISCORD.match(text):
            return "Discord export"
        return "JSON objects" if _is_spread(opening, rest) else "JSONL"
    if _YAML_OPENING.match(opening):
        return "YAML"
    if any(mark in opening for mark in DELIMITERS):
        return "CSV"
    raise TouchstoneError(
        f"{path}, line 1: {files.show(opening)} opens none of the formats read here",
        expected=READABLE,
        remedy="convert the file, or check that it is the one you meant",
    )


def _is_spread(opening: str, rest: str) -> bool:
    """Whether an object goes on over several lines, rather than being cut off at the end of its first."""
    if opening[-1] not in "{[,:":
        return False
    return opening == "{" or opening[-1] == "[" or not rest.lstrip("\r\n").startswith("{")


def _refuse_foreign(path: Path, head: bytes) -> None:
    name = next((name for magic, name in FOREIGN_MAGIC.items() if head.startswith(magic)), None)
    if name is None and b"\0" in head[:4]:
        # Text of a format read here begins with two ASCII characters: every other byte of it is zero in UTF-16.
        name = "UTF-16 text without its mark, or no text at all"
    if name is not None:
        remedy = "convert it, e.g. iconv -f utf-16 -t utf-8" if "UTF-16" in name else "convert or unpack it first"
        raise TouchstoneError(f"{path} is {name}", expected=READABLE, remedy=remedy)


def _yaml_records(path: Path, opened: Unpacked, limits: Limits) -> Iterator[Item]:
    # A YAML text must be held as a whole, several times over.
    if opened.packing or path.stat().st_size > limits.record_bytes:
        raise TouchstoneError(
            f"{path} is YAML and {'packed' if opened.packing else 'too large to be held as a whole'}",
            expected="JSONL for a dump of this size",
            remedy="convert it to JSONL",
        )
    found = files.records(path)
    while True:
        try:
            record = next(found, None)
        except UsageError as error:
            # The parser of configuration files blames the command line; a dump is somebody else's.
            raise TouchstoneError(error.found, expected=READABLE, remedy="give the file of the dump") from error
        if record is None:
            return
        yield RawRecord(record.where.removeprefix(str(path)).removeprefix(", ") or "the document", record.value)


def size_of(path: Path) -> int:
    """Bytes of a file on disk, for a progress bar.

    Raises:
        TouchstoneError: it is not there.
    """
    with reading(path):
        return path.stat().st_size
