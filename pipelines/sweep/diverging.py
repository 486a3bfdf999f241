"""A cell whose training diverges ends alone: the sweep is run again without it, and finished work is found.

On this machine only. Kubeflow Pipelines ends a loop with its first failed item; there the sweep is submitted again with
the other cells (`Sweep.only`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from components.contracts.errors import TouchstoneError
from components.contracts.sweep_rows import Cell
from components.report.policy import Policy
from components.report.sweeping.diverged import DivergedCell, show_diverged
from pipelines.sweep.cells import INTERPOLATION, PLAIN, Sweep, training_name
from pipelines.sweep.config import SweepConfig

TRAINING = ("train", "train_nested")
SIGNS = ("the loss exploded", "the training loss is no longer a number", "the norm of the gradients is no longer")
"""How `train` begins to say that it diverged."""
DIVERGED = re.compile(
    rf"\s*(?:{'|'.join(TRAINING)}) (?P<name>[^:]+): (?P<found>(?:{'|'.join(map(re.escape, SIGNS))}).*)"
)
"""A line of a run's log in which a training says so."""


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
            gone = _without_model(left.sweep, diverged_trainings(log, said))
            names = tuple(cell.name for cell in left.sweep.cells() if cell.name not in {row.cell.name for row in gone})
            if not gone or not names:
                raise
            _tell(error, gone)
            lost += gone
            left = left.model_copy(update={"sweep": left.sweep.model_copy(update={"only": names})})
    if lost:
        show_diverged(result, lost, Policy.model_validate(config.compare_cells.get("policy", {})).alpha)
    return result


def diverged_trainings(log: Path, said: int) -> dict[str, str]:
    """Name of each training that diverged in a run -> what it said.

    Args:
        log: Of the run's folder.
        said: Its length before the run, in bytes.
    """
    if not log.is_file():
        return {}
    with log.open("rb") as stream:
        stream.seek(said)
        lines = stream.read().decode("utf-8", errors="replace").splitlines()
    return {end["name"]: end["found"] for line in lines if (end := DIVERGED.match(line))}


def _without_model(sweep: Sweep, failed: Mapping[str, str]) -> list[DivergedCell]:
    return [
        DivergedCell(cell=cell, reason=found)
        for cell in sweep.cells()
        for name, found in failed.items()
        if _made_by(name, sweep, cell)
    ]


def _tell(error: TouchstoneError, gone: Sequence[DivergedCell]) -> None:
    without = ", ".join(lost.cell.name for lost in gone)
    Console(stderr=True).print(f"{error}\ngoing on without {without}", highlight=False, markup=False)


def _made_by(training: str, sweep: Sweep, cell: Cell) -> bool:
    # A mixture is made of the plain model of its base, data and seed.
    trained = cell.model_copy(update={"mitigation": PLAIN}) if cell.mitigation == INTERPOLATION else cell
    shared = any(cell in group.cells for group in sweep.groups() if group.kind != "separate")
    return training == cell.name or (shared and training == training_name(sweep, trained))
