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
from pipelines.local.runner import EVENT
from pipelines.sweep.cells import INTERPOLATION, PLAIN, Sweep, training_name
from pipelines.sweep.config import SweepConfig

TRAINING = ("train", "train_nested")
SIGNS = ("the loss exploded", "the training loss is no longer a number", "the norm of the gradients is no longer")
"""How `train` begins to say that it diverged."""
DIVERGED = re.compile(
    rf"\s*(?P<step>{'|'.join(TRAINING)})(?: (?P<name>[^:]+))?: (?P<found>(?:{'|'.join(map(re.escape, SIGNS))}).*)"
)
"""A line of the log in which a training says so, with its name where the line has one."""


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
            failed = diverged_trainings(log, said)
            if failed is None and left.cells_at_once != 1:
                # Trainings were under way side by side, and the failure names none: one at a time it meets its own.
                left = left.model_copy(update={"cells_at_once": 1})
                continue
            gone = _without_model(left.sweep, failed or {})
            names = tuple(cell.name for cell in left.sweep.cells() if cell.name not in {row.cell.name for row in gone})
            if not gone or not names:
                raise
            _tell(error, gone)
            lost += gone
            left = left.model_copy(update={"sweep": left.sweep.model_copy(update={"only": names})})
    if lost:
        show_diverged(result, lost, Policy.model_validate(config.compare_cells.get("policy", {})).alpha)
    return result


def diverged_trainings(log: Path, said: int) -> dict[str, str] | None:
    """Name of each training that diverged in a run -> what it said; null where the log does not tell which it was.

    Args:
        log: Of the run's folder.
        said: Its length before the run, in bytes.
    """
    with log.open("rb") as stream:
        stream.seek(said)
        lines = stream.read().decode("utf-8", errors="replace").splitlines()
    under_way: list[tuple[str, str]] = []
    failed: dict[str, str] = {}
    for line in lines:
        if event := EVENT.search(line):
            step, _, name = event[2].strip().partition(" ")
            if event[1] == "started" and step in TRAINING:
                under_way.append((step, name))
            elif (step, name) in under_way:
                under_way.remove((step, name))
        elif end := DIVERGED.match(line):
            own = [one for one in under_way if one[0] == end["step"] and (not end["name"] or one[1] == end["name"])]
            if len(own) != 1:
                return None
            under_way.remove(own[0])
            failed[own[0][1]] = end["found"]
    return failed


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
