"""Can forgetting be prevented, and what does that cost in style?"""

from __future__ import annotations

from pipelines.sweep.cells import Sweep
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.smoke import dry_settings, smoke_settings

TITLE = "Against forgetting"
ARMS = (
    "plain",
    "lower_rate",
    "replay_5",
    "replay_25",
    "kl",
    "subspace",
    "dft",
    "lora",
    "interpolation",
)


def smoke(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """The small base on all broad data, once for every arm; about six minutes."""
    sweep = Sweep(bases=("small",), data=("broad",), amounts=(2300,), mitigations=ARMS, only=only)
    return SweepConfig(pipeline="mitigation", sweep=sweep, **smoke_settings(TITLE, seed=seed, plain=plain))


def dry_run(*, seed: int = 0, plain: bool = False, only: tuple[str, ...] = ()) -> SweepConfig:
    """Every step of `smoke` at toy size; shows that all fits together, its verdicts mean nothing."""
    arms = ("plain", "replay_25", "interpolation")
    sweep = Sweep(bases=("small",), data=("broad",), amounts=(40,), mitigations=arms, alphas=(0.5,), only=only)
    return SweepConfig(pipeline="mitigation", sweep=sweep, **dry_settings(TITLE, seed=seed, plain=plain))


PRESETS = {"smoke": smoke, "dry_run": dry_run}
