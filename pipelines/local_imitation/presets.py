"""How much data of one task does it take to learn that task?"""

from __future__ import annotations

from pipelines.sweep.cells import Sweep
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.smoke import dry_settings, smoke_settings

TITLE = "Imitating one task"


def smoke(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """The small base on growing amounts of one task's questions, beside as many broad dialogues; four minutes."""
    sweep = Sweep(bases=("small",), data=("local", "broad"), amounts=(300, 600, 1200, 2300), only=only)
    return SweepConfig(pipeline="local_imitation", sweep=sweep, **smoke_settings(TITLE, seed=seed, plain=plain))


def dry_run(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """Every step of `smoke` at toy size; shows that all fits together, its verdicts mean nothing."""
    sweep = Sweep(bases=("small",), data=("local", "broad"), amounts=(10, 20), only=only)
    return SweepConfig(pipeline="local_imitation", sweep=sweep, **dry_settings(TITLE, seed=seed, plain=plain))


PRESETS = {"smoke": smoke, "dry_run": dry_run}
