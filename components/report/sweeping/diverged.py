"""Cells of a sweep without a model, because their training diverged: a hole on the page, with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from components.contracts import manifest as manifests
from components.contracts.sweep_results import SweepStudy
from components.contracts.sweep_rows import Cell
from components.report.page_inputs import PolicyLimits

DIVERGED_FILE = "diverged.json"


class DivergedCell(BaseModel):
    """One cell that has no model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    cell: Cell
    """Which."""
    reason: str
    """What training found, and at which step."""


def show_diverged(folder: Path, cells: Sequence[DivergedCell], alpha: float) -> None:
    """Put the cells on the page of a finished sweep, and into a file beside its record.

    Args:
        folder: Of `compare_cells`, with sweep.html and sweep.json.
        cells: Those without a model.
        alpha: Of the policy; the page names the level of its intervals.
    """
    from components.report.sweeping.sweep_page import PAGE, RECORD, render_sweep_html

    manifest = manifests.read(folder)
    # It goes first and comes back last: a folder being rewritten must never look finished.
    (folder / manifests.FILE_NAME).unlink()
    record = [cell.model_dump(mode="json") for cell in cells]
    (folder / DIVERGED_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    made = SweepStudy.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))
    (folder / PAGE).write_text(render_sweep_html(made, PolicyLimits(alpha=alpha), cells), encoding="utf-8")
    manifests.write(folder, manifest.model_copy(update={"files": manifests.describe_files(folder)}))


def read_diverged(folder: Path) -> list[DivergedCell]:
    """The cells without a model of a finished sweep; none where nothing diverged."""
    path = folder / DIVERGED_FILE
    if not path.is_file():
        return []
    return [DivergedCell.model_validate(row) for row in json.loads(path.read_text(encoding="utf-8"))]
