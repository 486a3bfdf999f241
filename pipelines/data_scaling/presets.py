"""Does more imitation data bring capability, or only style?"""

from __future__ import annotations

from pipelines.sweep.cells import Sweep
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.smoke import dry_settings, smoke_settings

TITLE = "More imitation data"


def smoke(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """Two bases, five amounts of broad data each, all amounts of a base out of one training; about five minutes."""
    sweep = Sweep(bases=("small", "large"), data=("broad",), amounts=(150, 300, 600, 1200, 2300), only=only)
    return SweepConfig(pipeline="data_scaling", sweep=sweep, **smoke_settings(TITLE, seed=seed, plain=plain))


def dry_run(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """Every step of `smoke` at toy size; shows that all fits together, its verdicts mean nothing."""
    sweep = Sweep(bases=("small",), data=("broad",), amounts=(10, 20, 40), only=only)
    return SweepConfig(pipeline="data_scaling", sweep=sweep, **dry_settings(TITLE, seed=seed, plain=plain))


PRESETS = {"smoke": smoke, "dry_run": dry_run}
