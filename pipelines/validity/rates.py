"""Counting: verdicts, intervals that hold the truth, items that settle, and what usual practice says meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from components.contracts.evidence_rows import StyleProfile
from components.contracts.verdict import Verdict, VerdictWord
from pipelines.validity.drawing import STYLED, UNSTYLED, Answers, answers, profiles
from pipelines.validity.judging import judged
from pipelines.validity.naive import judged_as_good, unpaired_gain, unpaired_parity
from pipelines.validity.worlds import WORLDS, World

VERDICTS: tuple[VerdictWord, ...] = get_args(VerdictWord)
NUM_STYLES = 8
"""Sets of profiles drawn for a world; every data set uses one of them. Styles decide by a wide margin here."""
COVERAGE = (0.93, 0.97)
"""Promised of intervals at a nominal 95%, in every world where it can be had."""
MOST_GROWTH, MOST_ITEMS = 50.0, 10_000
"""Data sets beyond both are not drawn: they would take longer than everything else together."""
EVERY = 2
"""Every which INCONCLUSIVE data set has the items drawn that its single benchmarks ask for."""


@dataclass(frozen=True)
class ErrorRates:
    """What came out of one world's simulations."""

    world: str
    num_worlds: int
    """Data sets."""
    shares: Mapping[VerdictWord, float]
    """Verdict -> share of data sets."""
    coverage_delta: float
    """Share of benchmark intervals of D that hold the truth."""
    coverage_gap_closed: float | None
    """The same for g, where measurable."""
    naive_gain: float
    """Share in which an unpaired z test on each benchmark finds the imitator better somewhere."""
    naive_parity: float
    """Share in which it finds no difference from the target on some benchmark."""
    naive_judge: float | None
    """Share in which a judge's win rate calls a styled imitator as good as the target; null without style."""
    promises: Mapping[str, bool] = field(default_factory=dict)
    """Promise -> whether these shares keep it."""
    coverage_note: str = ""
    """Why coverage above the promise cannot be had; empty where it can."""


def styles(world: World, rng: np.random.Generator, count: int = NUM_STYLES) -> list[list[StyleProfile]]:
    """Outputs of a world's models, as profiles."""
    return [profiles(STYLED if world.styled else UNSTYLED, rng) for _ in range(count)]


def error_rates(worlds: Sequence[World] = WORLDS, *, num_worlds: int, seed: int = 0) -> list[ErrorRates]:
    """Simulate every world `num_worlds` times with a seed of its own."""
    return [rates_of(world, num_worlds, np.random.default_rng([seed, i])) for i, world in enumerate(worlds)]


def rates_of(world: World, num_worlds: int, rng: np.random.Generator) -> ErrorRates:
    """One world's error rates."""
    verdicts: Counter[VerdictWord] = Counter()
    hits: dict[str, list[bool]] = {"delta": [], "closed": []}
    gains, on_par, as_good, kinds = 0, 0, 0, styles(world, rng)
    for number in range(num_worlds):
        drawn = [answers(task, rng) for task in world.tasks]
        found = judged(world, drawn, kinds[number % len(kinds)])
        verdicts[found.verdict] += 1
        _count(found, drawn, hits)
        gains += unpaired_gain(drawn)
        on_par += unpaired_parity(drawn)
        as_good += judged_as_good(rng)
    shares = {word: verdicts[word] / num_worlds for word in VERDICTS}
    covered = [float(np.mean(found)) if found else None for found in hits.values()]
    promises = {str(promise): promise.is_kept(shares[promise.word]) for promise in world.promises}
    least, most = COVERAGE if not world.unpromised else (COVERAGE[0], 1.0)
    promises[f"coverage {100 * least:.0f} to {100 * most:.0f}%"] = all(
        least <= round(share, 3) <= most for share in covered if share is not None
    )
    return ErrorRates(
        world=world.name,
        num_worlds=num_worlds,
        shares=shares,
        coverage_delta=covered[0] or 0.0,
        coverage_gap_closed=covered[1],
        naive_gain=gains / num_worlds,
        naive_parity=on_par / num_worlds,
        naive_judge=as_good / num_worlds if world.styled else None,
        promises=promises,
        coverage_note=world.unpromised,
    )


def _count(verdict: Verdict, drawn: Sequence[Answers], hits: dict[str, list[bool]]) -> None:
    for answered, r in zip(drawn, verdict.benchmarks, strict=True):
        if r.delta_ci is not None:
            hits["delta"].append(r.delta_ci[0] <= answered.delta <= r.delta_ci[1])
        if r.gap_closed_ci is not None:
            hits["closed"].append(r.gap_closed_ci[0] <= answered.delta / answered.gap <= r.gap_closed_ci[1])


@dataclass(frozen=True)
class NeededRates:
    """Whether the number of items that an INCONCLUSIVE verdict names does settle it."""

    world: str
    inconclusive: int
    """INCONCLUSIVE data sets."""
    named: int
    """Those of them that named a number of items."""
    drawn: int
    """Those of them whose number could be drawn."""
    settled: float | None
    """Share of these whose new data set, with that many items, brought another verdict than INCONCLUSIVE."""
    as_foretold: float | None
    """Share of these whose new verdict was the one foretold."""
    median_growth: float | None
    """How many times the items were asked for."""
    labels_named: int
    """Single benchmarks that named a number of their own, and one that could be drawn, in every second data set."""
    labels_settled: float | None
    """Share of these whose label was settled with that many items."""


def needed_rates(world: World, num_worlds: int, rng: np.random.Generator) -> NeededRates:
    """Draw, and where the verdict is INCONCLUSIVE draw anew with the items that it, and each benchmark, asks for."""
    inconclusive, growths, drawn, settled, foretold = 0, [], 0, 0, 0
    labels: list[bool] = []
    kinds = styles(world, rng)
    for number in range(num_worlds):
        style = kinds[number % len(kinds)]
        first = judged(world, [answers(task, rng) for task in world.tasks], style)
        if first.verdict != "INCONCLUSIVE":
            continue
        inconclusive += 1
        if inconclusive % EVERY == 0:
            labels += _labels_again(world, first, style, rng)
        if first.plan is None:
            continue
        growths.append(first.plan.growth)
        if not all(_can_be_drawn(first.plan.items[task.name], task.n) for task in world.tasks):
            continue
        drawn += 1
        again = _again(world, first.plan.items, style, rng).verdict
        settled += again != "INCONCLUSIVE"
        foretold += again == first.plan.verdict
    named = len(growths)
    return NeededRates(
        world=world.name,
        inconclusive=inconclusive,
        named=named,
        drawn=drawn,
        settled=settled / drawn if drawn else None,
        as_foretold=foretold / drawn if drawn else None,
        median_growth=float(np.median(growths)) if named else None,
        labels_named=len(labels),
        labels_settled=float(np.mean(labels)) if labels else None,
    )


def _can_be_drawn(asked: int, n: int) -> bool:
    return asked <= max(MOST_GROWTH * n, MOST_ITEMS)


def _again(world: World, items: Mapping[str, int], style: Sequence[StyleProfile], rng: np.random.Generator) -> Verdict:
    grown = world.grown(items)
    return judged(grown, [answers(task, rng) for task in grown.tasks], style)


def _labels_again(world: World, first: Verdict, style: Sequence[StyleProfile], rng: np.random.Generator) -> list[bool]:
    """Whether each benchmark that asked for items of its own has a settled label with them."""
    asked = {b.name: b.n_needed for b in first.benchmarks if b.n_needed is not None and _can_be_drawn(b.n_needed, b.n)}
    again = _again(world, asked, style, rng).benchmarks if asked else ()
    return [b.label in ("gained", "nothing", "regressed") for b in again if b.name in asked]
