"""Finished cells of a sweep in one artifact: verdicts, pages, and the scores that curves are drawn from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Input, Inputs, Nothing, Output, Report
from components.contracts.rows import Score
from components.contracts.sweep_rows import Cell, CellResults
from components.contracts.verdict import Verdict

CELL_FILE, VERDICT_FILE, PAGE_FILE = "cell.json", "verdict.json", "report.html"
SCORES = ("imitator", "base", "target")
R = TypeVar("R", Report, Score)


class FinishedCell(NamedTuple):
    """One cell, read back."""

    cell: Cell
    parameters: int | None
    verdict: Verdict
    folder: Path

    def scores(self, role: str) -> list[Score]:
        """Headline scores of imitator, base or target."""
        with (self.folder / f"{role}.jsonl").open(encoding="utf-8") as stream:
            return [Score.model_validate_json(line) for line in stream]


def gather(
    reports: Inputs[Report],
    scores: Inputs[Score],
    base: Input[Checkpoint],
    base_scores: Input[Score],
    target_scores: Input[Score],
    earlier: Input[CellResults],
    cells: Sequence[Cell],
    output: Output[CellResults],
) -> int:
    """Write a folder for each cell, beside those of `earlier`; gives how many there are.

    Reports and scores belong together by the name in their manifests, whatever their order.

    Raises:
        TouchstoneError: a cell's report or scores are missing, or there are two of them.
    """
    folder = output.folder
    if not isinstance(earlier, Nothing):
        shutil.copytree(earlier.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
    pages, said = _by_name(reports), _by_name(scores)
    size = base.manifest.notes.get("parameters")
    for cell in cells:
        if cell.name not in pages or cell.name not in said or (folder / cell.name).exists():
            raise TouchstoneError(
                f"cell {cell.name} came with {', '.join(sorted(pages)) or 'no report'}, or is there already",
                expected="one report and one set of scores for each cell of the loop",
                remedy="run the sweep again: finished cells are found",
            )
        place = folder / cell.name
        place.mkdir()
        for name in (VERDICT_FILE, PAGE_FILE):
            shutil.copyfile(pages[cell.name].folder / name, place / name)
        for role, port in zip(SCORES, (said[cell.name], base_scores, target_scores), strict=True):
            with (place / f"{role}.jsonl").open("w", encoding="utf-8") as stream:
                stream.writelines(row.model_dump_json() + "\n" for row in port.iter_rows())
        record = {"cell": cell.model_dump(mode="json"), "parameters": size if isinstance(size, int) else None}
        (place / CELL_FILE).write_text(json.dumps(record) + "\n", encoding="utf-8")
    order = [*_order(earlier), *(cell.name for cell in cells)]
    output.commit(notes={"cells": order})
    return len(order)


def finished(cells: Input[CellResults]) -> list[FinishedCell]:
    """The cells in the order in which they were gathered."""
    return [_read(cells.folder / name) for name in _order(cells)]


def _order(cells: Input[CellResults]) -> list[str]:
    noted = cells.manifest.notes.get("cells", [])
    return [str(name) for name in noted] if isinstance(noted, list) else []


def _read(folder: Path) -> FinishedCell:
    record = json.loads((folder / CELL_FILE).read_text(encoding="utf-8"))
    verdict = Verdict.model_validate_json((folder / VERDICT_FILE).read_text(encoding="utf-8"))
    return FinishedCell(Cell.model_validate(record["cell"]), record["parameters"], verdict, folder)


def _by_name(ports: Inputs[R]) -> dict[str, Input[R]]:
    return {str(port.manifest.params.get("name", "")): port for port in ports}
