"""Looks at a growing run: how often some look finds a change that is not there, with alpha spent and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.report.policy import Policy
from components.report.sequential import spending_levels
from pipelines.validity.drawing import Answers, answers
from pipelines.validity.judging import judged
from pipelines.validity.worlds import Task, World

TASK = Task("nq", 1200, 0.20, 0.31)
"""Nothing gained, 1,200 items planned."""
LOOKS: tuple[tuple[float, ...], ...] = ((1.0,), (0.5, 1.0), (1 / 3, 2 / 3, 1.0), (0.25, 0.9, 1.0))


@dataclass(frozen=True)
class LookRates:
    """Share of runs in which the change's interval leaves out the truth at some look."""

    looks: tuple[float, ...]
    """Shares of the planned items."""
    runs: int
    spent: float
    """Each look judged at the level that alpha spending leaves it."""
    unspent: float
    """Each judged at alpha."""


def look_rates(looks: Sequence[float], runs: int, rng: np.random.Generator, alpha: float = 0.05) -> LookRates:
    """Draw runs of TASK and look at them, through the code that decides an audit."""
    levels = spending_levels(looks, alpha)
    wrong = np.zeros(2)
    for _ in range(runs):
        whole = answers(TASK, rng)
        parts = [_first(whole, round(share * TASK.n)) for share in looks]
        wrong += [
            any(_misses(part, level) for part, level in zip(parts, judged_at, strict=True))
            for judged_at in (levels, [alpha] * len(levels))
        ]
    return LookRates(tuple(looks), runs, *(wrong / runs).tolist())


def _first(drawn: Answers, n: int) -> Answers:
    values = {part: found[:n] for part, found in drawn.values.items()}
    return replace(drawn, values=values, lacks=drawn.lacks[:n], clusters=drawn.clusters[:n])


def _misses(drawn: Answers, level: float) -> bool:
    world = World("look", (replace(TASK, n=len(drawn.lacks)),), policy=Policy(alpha=level))
    (found,) = judged(world, [drawn], []).benchmarks
    assert found.delta_ci is not None
    return not found.delta_ci[0] <= drawn.delta <= found.delta_ci[1]
