"""A cell whose training diverges ends alone: the sweep is run again without it, and finished work is found.

On this machine only. Kubeflow Pipelines ends a loop with its first failed item; there the sweep is submitted again with
the other cells (`Sweep.only`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from components.contracts import step_store
from components.contracts.errors import TouchstoneError
from components.contracts.sweep_rows import Cell
from components.report.policy import Policy
from components.report.sweeping.diverged import DivergedCell, show_diverged
from pipelines.local.runner import EVENT, STORE
from pipelines.sweep.cells import INTERPOLATION, PLAIN, Sweep, training_name
from pipelines.sweep.config import SweepConfig

TRAINING = ("train", "train_nested")
SIGNS = ("the loss exploded", "the training loss is no longer a number", "the norm of the gradients is no longer")
"""How `train` begins to say that it diverged."""


def run_around(config: SweepConfig, folder: Path, run: Callable[[SweepConfig], Path]) -> Path:
    """Run a sweep to its end, without the cells whose training diverges; gives the results' folder.

    Args:
        config: The sweep.
        folder: Of the run.
        run: Runs a sweep in that folder.

    Raises:
        TouchstoneError: another failure, or no cell is left.
    """
    lost: list[DivergedCell] = []
    left = config
    log = folder / "log.txt"
    while True:
        said = log.stat().st_size if log.is_file() else 0
        try:
            result = run(left)
            break
        except TouchstoneError as error:
            failed = diverged_training(folder, said)
            if failed is None:
                raise
            if len(failed.names) > 1 and left.cells_at_once != 1:
                # Several trainings were under way, and the failure names none: one at a time it meets its own again.
                left = left.model_copy(update={"cells_at_once": 1})
                continue
            gone = [cell for cell in left.sweep.cells() if _made_by(failed.names, left.sweep, cell)]
            names = tuple(cell.name for cell in left.sweep.cells() if cell not in gone)
            if not gone or not names:
                raise
            _tell(error, gone)
            lost += [DivergedCell(cell=cell, reason=failed.found) for cell in gone]
            left = left.model_copy(update={"sweep": left.sweep.model_copy(update={"only": names})})
    if lost:
        show_diverged(result, lost, Policy.model_validate(config.compare_cells.get("policy", {})).alpha)
    return result


class Failed(NamedTuple):
    """A training that diverged."""

    names: tuple[str, ...]
    """Of the trainings that were under way; it is one of them."""
    found: str
    """What it said."""


def diverged_training(folder: Path, said: int) -> Failed | None:
    """What diverged in the run that just failed; None where the failure was another.

    Args:
        folder: Of the run.
        said: Length of its log before it, in bytes.
    """
    record = folder / STORE / step_store.FAILURE_FILE
    told = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    if told.get("step") not in TRAINING or not str(told.get("found")).startswith(SIGNS):
        return None
    with (folder / "log.txt").open("rb") as log:
        log.seek(said)
        events = EVENT.findall(log.read().decode("utf-8", errors="replace"))
    begun, ended = (
        [
            label.strip().partition(" ")[2]
            for kind, label in events
            if label.startswith(f"{told['step']} ") and kind in kinds
        ]
        for kinds in (("started",), ("finished", "reused"))
    )
    return Failed(tuple(name for name in begun if name not in ended), str(told["found"]))


def _tell(error: TouchstoneError, gone: Sequence[Cell]) -> None:
    without = ", ".join(cell.name for cell in gone)
    Console(stderr=True).print(f"{error}\ngoing on without {without}", highlight=False, markup=False)


def _made_by(names: Collection[str], sweep: Sweep, cell: Cell) -> bool:
    # A mixture is made of the plain model of its base, data and seed.
    trained = cell.model_copy(update={"mitigation": PLAIN}) if cell.mitigation == INTERPOLATION else cell
    shared = any(cell in group.cells for group in sweep.groups() if group.kind != "separate")
    return cell.name in names or (shared and training_name(sweep, trained) in names)
