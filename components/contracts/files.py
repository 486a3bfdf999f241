"""Other people's files, read by content and not by name: gzip or not; JSON, JSONL, CSV or YAML; UTF-8.

    for record in files.records(path):      # JSONL and CSV line by line, a JSON array item by item
        record.where                        # "answers.jsonl.gz, line 3"
        record.text("output")               # a located error when it is missing or no text

Memory: JSONL and CSV are streamed. A JSON array's text is held once and its items are decoded one at a time.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from components.contracts.csv_rows import csv_rows, delimiter_of
from components.contracts.errors import TouchstoneError
from components.contracts.text_lines import READABLE, Line, decoded_lines, open_bytes, reading
from components.contracts.yaml_documents import parse_yaml

Kind = Literal["JSON array", "JSON object", "JSONL", "CSV", "YAML"]

SHOWN_CHARS = 60
_YAML_OPENING = re.compile(r"""(#|---|%YAML|-\s|["']?[\w .\-/]+["']?\s*:(\s|$))""")
_JSON_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Record:
    """One object of a file, and where it stands."""

    where: str
    """FILE, line N; or FILE, item N (line M); or FILE when the whole file is the object."""
    value: Mapping[str, object]
    """Its fields; a CSV row has text everywhere."""

    def error(self, found: str, *, expected: str = "", remedy: str = "") -> TouchstoneError:
        """An error that begins with the record's place; to be raised by the caller."""
        return TouchstoneError(f"{self.where}: {found}", expected=expected, remedy=remedy)

    def text(self, key: str) -> str:
        """A field that must be text. Halves of surrogate pairs, which no UTF-8 file can hold, become U+FFFD.

        Raises:
            TouchstoneError: the field is missing or is not text.
        """
        value = self._required(key)
        if not isinstance(value, str):
            raise self.error(f"{key} is {show(value)}", expected=f"{key} as text", remedy="correct the file")
        return without_lone_surrogates(value)

    def number(self, key: str) -> float:
        """A field that must be a finite number (true = 1, false = 0; in a CSV also as text).

        Raises:
            TouchstoneError: the field is missing, not a number, NaN or infinite.
        """
        value = self._required(key)
        number = as_number(value)
        if number is None or not math.isfinite(number):
            found = f"{key} is {show(value)}"
            raise self.error(found, expected=f"{key} as a finite number", remedy="correct the value or leave it out")
        return number

    def _required(self, key: str) -> object:
        if key not in self.value:
            found = ", ".join(map(str, self.value)) or "nothing"
            raise self.error(f"no {key}, only {found}", expected=f"an object with {key}", remedy="correct the file")
        return self.value[key]


def as_number(value: object) -> float | None:
    """A number, a truth value or their text as float (NaN and infinities included); None for anything else."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in {"true", "false"}:
            return float(lowered == "true")
        try:
            return float(lowered) if "_" not in lowered else None
        except ValueError:
            return None
    try:
        return float(value) if isinstance(value, (bool, int, float)) else None
    except OverflowError:
        return math.inf


def show(value: object) -> str:
    """A value as an error message shows it: its JSON, shortened, with NaN and infinities by name."""
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 3] + "..."


def without_lone_surrogates(text: str) -> str:
    """`text` with halves of surrogate pairs (from `\\ud83d` escapes cut in two) replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def records(path: Path) -> Iterator[Record]:
    """The objects of a file, one by one: JSONL lines, CSV rows, items of a JSON array or YAML list, or one document.

    Raises:
        TouchstoneError: missing, a directory, unreadable, empty, cut off, not UTF-8, of another format, or a place in
            it is not an object. Some of these are met only on the way.
    """
    with reading(path), open_bytes(path) as stream:
        kind, lines = _sniff(path, stream)
        if kind == "JSONL":
            yield from _jsonl_records(path, lines)
        elif kind == "CSV":
            yield from (Record(where, row) for where, row in csv_rows(path, lines))
        elif kind == "JSON array":
            yield from _array_records(path, "".join(line.text for line in lines))
        elif kind == "JSON object":
            yield _object(str(path), _parse_document(path, "".join(line.text for line in lines)))
        else:
            yield from _yaml_records(path, "".join(line.text for line in lines))


def document(path: Path) -> Record:
    """The one object a file holds.

    Raises:
        TouchstoneError: as `records`, or the file holds several objects.
    """
    found = list(itertools.islice(records(path), 2))
    if len(found) != 1:
        raise TouchstoneError(
            f"{path} holds {'several objects' if found else 'an empty list'}",
            expected="one JSON object or one YAML mapping",
            remedy="give another file",
        )
    return Record(str(path), found[0].value)


def _sniff(path: Path, stream: IO[bytes]) -> tuple[Kind, Iterator[Line]]:
    lines = decoded_lines(path, stream)
    head: list[Line] = []
    for line in lines:
        head.append(line)
        if line.text.strip():
            break
    else:
        raise TouchstoneError(f"{path} is empty", expected=READABLE, remedy="check how the file was written")
    kind = _kind(path, head[-1])
    return kind, itertools.chain(head, lines)


def _kind(path: Path, first: Line) -> Kind:
    opening = first.text.strip()
    if opening[0] == "[":
        return "JSON array"
    if opening[0] == "{":
        # A pretty-printed object does not end on its first line; a broken JSONL line does.
        return "JSONL" if opening[-1] == "}" and len(opening) > 1 else "JSON object"
    if _YAML_OPENING.match(opening):
        return "YAML"
    if delimiter_of(opening):
        return "CSV"
    raise TouchstoneError(
        f"{path}, line {first.number}: {show(opening)} opens none of the formats read here",
        expected=READABLE,
        remedy="convert the file, or check that it is the one you meant",
    )


def _bad_json(where: str, problem: object) -> TouchstoneError:
    return TouchstoneError(
        f"{where}: {problem}",
        expected="whole, valid JSON",
        remedy="fetch or write the file again: it may have been cut off while it was written",
    )


def _jsonl_records(path: Path, lines: Iterable[Line]) -> Iterator[Record]:
    for line in lines:
        if not line.text.strip():
            continue
        where = f"{path}, line {line.number}"
        try:
            value = json.loads(line.text)
        except (ValueError, RecursionError) as error:
            raise _bad_json(where, error) from error
        yield _object(where, value)


def _parse_document(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad_json(f"{path}, line {error.lineno}", error.msg) from error
    except (ValueError, RecursionError) as error:
        raise _bad_json(str(path), error) from error


def _array_records(path: Path, text: str) -> Iterator[Record]:
    position = _skip_space(text, text.index("[") + 1)
    number, line, counted = 0, 1, 0
    while not text.startswith("]", position):
        number += 1
        line, counted = line + text.count("\n", counted, position), position
        where = f"{path}, item {number} (line {line})"
        try:
            value, position = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _bad_json(f"{path}, item {number} (line {error.lineno})", error.msg) from error
        except (ValueError, RecursionError) as error:
            raise _bad_json(where, error) from error
        yield _object(where, value)
        position = _skip_space(text, position)
        if text.startswith(",", position):
            position = _skip_space(text, position + 1)
        elif not text.startswith("]", position):
            raise _bad_json(where, "the list is not closed after this item")
    if _skip_space(text, position + 1) != len(text):
        raise _bad_json(str(path), "more text after the closing bracket of the list")


def _skip_space(text: str, position: int) -> int:
    match = _JSON_SPACE.match(text, position)
    assert match is not None
    return match.end()


def _yaml_records(path: Path, text: str) -> Iterator[Record]:
    value = parse_yaml(path, text)
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield _object(f"{path}, item {number}", item)
    else:
        yield _object(str(path), value)


def _object(where: str, value: object) -> Record:
    if not isinstance(value, dict):
        raise TouchstoneError(
            f"{where}: {show(value)} is not an object",
            expected=f"named fields in {READABLE}",
            remedy="correct the file",
        )
    return Record(where, value)
