"""Error rates of the verdict in simulated worlds whose truth is known, through the same code that decides real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from scipy import special

from components.contracts.rows import PublishedScore
from components.contracts.verdict import StyleResult, VerdictWord
from components.report.benchmark_results import Evidence, assess
from components.report.clustered import Codes, Floats
from components.report.joining import PARTS, Drops, ItemTable, Part
from components.report.policy import Policy
from components.report.rules import Court
from components.report.support_sets import Coverage

VERDICTS: tuple[VerdictWord, ...] = get_args(VerdictWord)
LOADINGS: Mapping[Part, float] = {"base": 0.9, "imitator": 0.9, "target": 0.75}
"""How strongly difficulty decides a model's answer: base and imitator agree more than either does with the target."""
CLUSTER_SHIFT = 0.3
"""Spread of what fine-tuning does to single clusters, in standard deviations of an answer."""


@dataclass(frozen=True)
class Task:
    """One benchmark of a world."""

    name: str
    n: int
    """Items."""
    base: float
    """The base's true accuracy."""
    target: float
    """The target's true accuracy."""
    closed: float = 0.0
    """Share of the gap that the imitator truly closes; negative = it got worse."""
    clusters: int | None = None
    """Clusters of unequal size, each helped or hurt by fine-tuning in its own way; None = independent items."""
    published: bool = False
    """All three models known by a rounded number only."""

    @property
    def truth(self) -> dict[Part, float]:
        """True accuracies."""
        return {
            "base": self.base,
            "imitator": self.base + self.closed * (self.target - self.base),
            "target": self.target,
        }


@dataclass(frozen=True)
class World:
    """A setting with known truth."""

    name: str
    tasks: tuple[Task, ...]
    closeness: tuple[float, float, float] | None = (0.85, 0.80, 0.90)
    """Style closeness with its interval, as the style box would report it; None = not measured."""
    policy: Policy = field(default_factory=Policy)


def study(closed: float | Mapping[str, float] = 0.0, *, sizes: Sequence[int] = (14042, 3610, 164)) -> tuple[Task, ...]:
    """MMLU, NQ and HumanEval with the accuracies of the study's 13B base and its target.

    Args:
        closed: Share of each gap closed, or benchmark -> share with 0 for the others.
        sizes: Items of the three.
    """
    rows = (("mmlu", 0.47, 0.70), ("nq", 0.20, 0.31), ("humaneval", 0.16, 0.48))
    share = closed if isinstance(closed, Mapping) else dict.fromkeys(("mmlu", "nq", "humaneval"), closed)
    return tuple(
        Task(name, n, base, target, share.get(name, 0.0)) for (name, base, target), n in zip(rows, sizes, strict=True)
    )


WORLDS: tuple[World, ...] = (
    World("nothing gained", study()),
    *(World(f"gap closed {g:g} everywhere", study(g)) for g in (0.1, 0.2, 0.3, 0.5)),
    World("only nq, 0.64", study({"nq": 0.64})),
    World("only nq, 0.3", study({"nq": 0.3})),
    World("only humaneval, 0.6", study({"humaneval": 0.6})),
    World("nq 0.05 worse, style not captured", study({"nq": -0.05 / 0.11}), closeness=(0.2, 0.1, 0.3)),
    World("conflicting: mmlu up 0.3, nq down 0.3", study({"mmlu": 0.3, "nq": -0.3})),
    World("100 items each, nothing gained", study(sizes=(100, 100, 100))),
    World("ten identical outputs, nothing gained", (Task("a", 10, 0.001, 0.999),)),
    World("ten items each, gap closed 0.3", (Task("a", 10, 0.05, 0.95, 0.3), Task("b", 10, 0.05, 0.95, 0.3))),
    World("few unequal clusters, nothing gained", tuple(Task(c, 600, 0.3, 0.6, 0.0, 12) for c in "abc")),
    World("published numbers, nothing gained", tuple(Task(c, 3610, 0.2, 0.4, published=True) for c in "abc")),
)


@dataclass(frozen=True)
class ErrorRates:
    """What came out of one world's simulations."""

    world: str
    num_worlds: int
    shares: Mapping[VerdictWord, float]
    """Verdict -> share of worlds."""
    coverage_delta: float
    """Share of benchmark intervals of D that hold the truth."""
    coverage_gap_closed: float | None
    """The same for g, where measurable."""


def error_rates(worlds: Sequence[World] = WORLDS, *, num_worlds: int, seed: int = 0) -> list[ErrorRates]:
    """Simulate every world `num_worlds` times with a seed of its own."""
    return [_simulate(world, num_worlds, np.random.default_rng([seed, i])) for i, world in enumerate(worlds)]


def _simulate(world: World, num_worlds: int, rng: np.random.Generator) -> ErrorRates:
    verdicts: Counter[VerdictWord] = Counter()
    delta_hits: list[bool] = []
    closed_hits: list[bool] = []
    for _ in range(num_worlds):
        court = draw(world, rng)
        verdicts[court.verdict] += 1
        for task, found in zip(world.tasks, court.benchmarks, strict=True):
            r = found.result
            if r.delta_ci is not None:
                delta_hits.append(r.delta_ci[0] <= task.closed * (task.target - task.base) <= r.delta_ci[1])
            if r.gap_closed_ci is not None:
                closed_hits.append(r.gap_closed_ci[0] <= task.closed <= r.gap_closed_ci[1])
    return ErrorRates(
        world=world.name,
        num_worlds=num_worlds,
        shares={word: verdicts[word] / num_worlds for word in VERDICTS},
        coverage_delta=float(np.mean(delta_hits)),
        coverage_gap_closed=float(np.mean(closed_hits)) if closed_hits else None,
    )


def draw(world: World, rng: np.random.Generator) -> Court:
    """One simulated data set of a world, ready to be judged. Coverage is declared: nothing is supported."""
    outside = Coverage(supported=False, support=None, source="declared")
    evidence = [
        Evidence.of(task.name, *_published(task, rng), outside)
        if task.published
        else Evidence.of(task.name, _items(task, rng), {}, outside)
        for task in world.tasks
    ]
    return Court(assess(evidence, world.policy), _style(world.closeness), world.policy)


def _items(task: Task, rng: np.random.Generator) -> ItemTable:
    """Answers of the three models: right when a normal with the item's difficulty in it stays below a threshold."""
    difficulty = rng.standard_normal(task.n)
    clusters: Codes = np.arange(task.n)
    shift: Floats = np.zeros(task.n)
    if task.clusters is not None:
        # Sizes grow linearly, the largest several times the smallest: where CR1 covers badly.
        weights = np.arange(1, task.clusters + 1)
        clusters = rng.choice(task.clusters, size=task.n, p=weights / weights.sum())
        shift = CLUSTER_SHIFT * rng.standard_normal(task.clusters)[clusters]
    values: dict[Part, Floats] = {}
    for part in PARTS:
        loading = LOADINGS[part]
        latent = loading * difficulty + np.sqrt(1 - loading**2) * rng.standard_normal(task.n)
        if part == "imitator" and task.clusters is not None:
            latent = (latent + shift) / np.sqrt(1 + CLUSTER_SHIFT**2)
        values[part] = (latent < special.ndtri(task.truth[part])).astype(np.float64)
    return ItemTable(task.name, values, clusters, Drops(dict.fromkeys(PARTS, task.n), 0, 0, 0))


def _published(task: Task, rng: np.random.Generator) -> tuple[None, dict[Part, PublishedScore]]:
    rows: dict[Part, PublishedScore] = {}
    for part in PARTS:
        value = round(rng.binomial(task.n, task.truth[part]) / task.n, 2)
        rows[part] = PublishedScore(
            benchmark=task.name, role=part, model=part, value=value, n=task.n, source="simulated", rounding=0.01
        )
    return None, rows


def _style(closeness: tuple[float, float, float] | None) -> StyleResult:
    point, ci = (None, None) if closeness is None else (closeness[0], closeness[1:])
    return StyleResult(
        closeness=point, ci=ci, n=255, lower_bound=False, reason=None if closeness else "not measured", metrics={}
    )
