"""The whole proof: every world's error rates, the items that are asked for, and intervals of win rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from pipelines.validity.intervals import Coverage, coverages
from pipelines.validity.kept import Kept
from pipelines.validity.looking import LOOKS, LookRates, look_rates
from pipelines.validity.naive import Votes, votes
from pipelines.validity.rates import ErrorRates, NeededRates, needed_rates, rates_of
from pipelines.validity.style_raters import LEAST, StyleCoverage, style_raters
from pipelines.validity.worlds import SMALL, WORLDS

MOST_BY_LOOKING = 0.07
"""Promised of all looks together at 5%, as coverage is from 93% on."""
LEAST_SETTLED = 0.80
"""Promised of the items that an INCONCLUSIVE verdict asks for."""
FEWEST = 50
"""Items of a benchmark from which that is promised; from fewer the estimates planned with are too rough."""


@dataclass(frozen=True)
class Proof:
    """What a study of simulated worlds found."""

    worlds: int
    """Data sets of each world; half as many of those of the study's size, and of those in which items are asked for."""
    seed: int
    """Of everything."""
    rates: tuple[ErrorRates, ...]
    """Verdicts and coverage."""
    needed: tuple[NeededRates, ...]
    """Whether the items asked for settle."""
    votes_by_prompt: Votes
    """Win rates with prompts resampled, as Touchstone does."""
    votes_alone: Votes
    """The same votes resampled one by one."""
    style_raters: tuple[StyleCoverage, ...] = ()
    """Preference with style held equal, on raters who reward style, truth or both."""
    looks: tuple[LookRates, ...] = ()
    """Several looks at a growing run."""
    intervals: tuple[Coverage, ...] = ()
    """Intervals of a change and their rivals."""

    @property
    def broken(self) -> list[str]:
        """Promises that were not kept, as `world: promise`."""
        enough = {world.name for world in SMALL if min(task.n for task in world.tasks) >= FEWEST}
        found = [
            f"{rate.world}: {promise}" for rate in self.rates for promise, kept in rate.promises.items() if not kept
        ]
        found += [
            f"{rate.world}: items asked for settle at least {LEAST_SETTLED:.0%}"
            for rate in self.needed
            if rate.world in enough and rate.settled is not None and rate.settled < LEAST_SETTLED
        ]
        found += [
            f"{rate.world}: items that single benchmarks ask for settle at least {LEAST_SETTLED:.0%}"
            for rate in self.needed
            if rate.world in enough and rate.labels_settled is not None and rate.labels_settled < LEAST_SETTLED
        ]
        found += [f"{row.world.title}: coverage at least {LEAST:.0%}" for row in self.style_raters if not row.kept]
        found += [
            f"looks at {', '.join(f'{part:.0%}' for part in rate.looks)}: err in at most {MOST_BY_LOOKING:.0%} together"
            for rate in self.looks
            if rate.spent > MOST_BY_LOOKING
        ]
        return found

    def document(self) -> dict[str, object]:
        """As JSON writes it; rates to four digits, or a table kept in a repository changes with every machine."""
        found = _short(asdict(self))
        assert isinstance(found, dict)
        return found


def prove(
    *, num_worlds: int, seed: int = 0, progress: Callable[[str], None] = lambda _: None, kept: Kept | None = None
) -> Proof:
    """Simulate everything.

    Args:
        num_worlds: Data sets of each world, half as many of those of the study's size and of those in which
            items are asked for.
        seed: Of every world's own generator.
        progress: Told the name of each world as it begins.
        kept: Worlds that are finished; those are not simulated again.
    """
    kept = kept or Kept(None)
    rates, needed = [], []
    for number, world in enumerate(WORLDS):
        progress(world.name)
        count = max(1, num_worlds // 2) if world.is_large else num_worlds
        rng = np.random.default_rng([seed, number])
        rates.append(kept.result(ErrorRates, f"{world.name}, {count}, {seed}", partial(rates_of, world, count, rng)))
    for number, world in enumerate(SMALL):
        progress(world.name)
        count, rng = max(1, num_worlds // 2), np.random.default_rng([seed, 1000 + number])
        of = f"items asked for, {world.name}, {count}, {seed}"
        needed.append(kept.result(NeededRates, of, partial(needed_rates, world, count, rng)))
    kinds = [
        votes(10 * num_worlds, np.random.default_rng([seed, 2000]), by_prompt=by_prompt) for by_prompt in (True, False)
    ]
    looks = []
    for number, shares in enumerate(LOOKS):
        progress(f"looks at {shares}")
        rng, of = np.random.default_rng([seed, 3000 + number]), f"looks, {shares}, {num_worlds}, {seed}"
        looks.append(kept.result(LookRates, of, partial(look_rates, shares, num_worlds, rng)))
    pulled = style_raters(num_worlds=num_worlds, seed=seed, progress=progress, kept=kept)
    return Proof(
        num_worlds, seed, tuple(rates), tuple(needed), kinds[0], kinds[1], pulled, tuple(looks), tuple(coverages())
    )


def _short(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list | tuple) else value
