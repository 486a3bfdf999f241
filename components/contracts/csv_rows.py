"""CSV files of other people, row by row: whatever delimiter, cells of any length, strict about everything else."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.contracts.errors import TouchstoneError
from components.contracts.text_lines import Line

LONGEST_CELL_CHARS = 1 << 30


def delimiter_of(header: str) -> str | None:
    """Which mark parts the cells of a header; null = none that is read here."""
    return next((mark for mark in (",", "\t", ";") if mark in header), None)


def csv_rows(path: Path, lines: Iterable[Line]) -> Iterator[tuple[str, dict[str, object]]]:
    """Rows under their header, each with where it begins: FILE, line N. Blank lines are passed by.

    Args:
        path: Named in errors.
        lines: Of the file, one of which at least is not blank.

    Raises:
        TouchstoneError: a column stands twice, a row has more or fewer cells than the header, or quotes do not close.
    """
    present = itertools.dropwhile(lambda line: not line.text.strip(), lines)
    first = next(present)
    # The module's limit of 128 KiB a cell is a global; model outputs exceed it.
    csv.field_size_limit(LONGEST_CELL_CHARS)
    delimiter = delimiter_of(first.text) or ","
    texts = (line.text for line in itertools.chain([first], present))
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    before = first.number - 1
    header: list[str] = []
    while True:
        where = f"{path}, line {before + reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TouchstoneError(f"{where}: {error}", expected="a CSV row", remedy="correct the quotes") from error
        if not header:
            header = _header(where, cells)
        elif cells:
            yield where, _row(where, header, cells)


def _header(where: str, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(set(names)) != len(names):
        raise TouchstoneError(
            f"{where}: the header names a column twice: {', '.join(names)}", expected="distinct columns"
        )
    return names


def _row(where: str, header: list[str], cells: list[str]) -> dict[str, object]:
    if len(cells) != len(header):
        raise TouchstoneError(
            f"{where}: {len(cells)} cells under {len(header)} columns ({', '.join(header)})",
            expected="as many cells as columns",
            remedy="quote cells that hold the delimiter or line breaks; a cut-off file must be written again",
        )
    return dict(zip(header, cells, strict=True))
