"""Does a larger base bring what more imitation data does not?"""

from __future__ import annotations

from pipelines.study_config import Struct
from pipelines.sweep.cells import Sweep
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.smoke import dry_settings, smoke_settings

TITLE = "Larger bases"
SIZES: dict[str, Struct] = {
    "1x64": {"shape": {"layers": 1, "hidden": 64}, "share": 0.25},
    "2x96": {"shape": {"layers": 2, "hidden": 96}, "share": 0.5},
    "2x128": {"shape": {"layers": 2, "hidden": 128}, "share": 0.75},
    "3x160": {"shape": {"layers": 3, "hidden": 160}, "share": 1.0},
}
"""Layers x width; larger bases read more, as larger bases do."""
AMOUNTS = (600, 2300)


def smoke(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """Four bases pre-trained from scratch, each imitating with two amounts of broad data; about six minutes."""
    settings = smoke_settings(TITLE, seed=seed, plain=plain)
    recipe = settings["pretrain"]["recipe"]
    ladder = {name: {**size, "recipe": recipe, "seed": seed} for name, size in SIZES.items()}
    sweep = Sweep(bases=tuple(SIZES), data=("broad",), amounts=AMOUNTS, only=only)
    return SweepConfig(pipeline="base_scaling", sweep=sweep, ladder=ladder, **settings)


def dry_run(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """Every step of `smoke` at toy size; shows that all fits together, its verdicts mean nothing."""
    settings = dry_settings(TITLE, seed=seed, plain=plain)
    shapes = {"1x16": {"hidden": 16, "layers": 1, "heads": 2}, "2x16": {"hidden": 16, "layers": 2, "heads": 2}}
    recipe = settings["pretrain"]["recipe"]
    ladder: dict[str, Struct] = {name: {"shape": shape, "recipe": recipe} for name, shape in shapes.items()}
    sweep = Sweep(bases=tuple(shapes), data=("broad",), amounts=(40,), only=only)
    return SweepConfig(pipeline="base_scaling", sweep=sweep, ladder=ladder, **settings)


PRESETS = {"smoke": smoke, "dry_run": dry_run}
