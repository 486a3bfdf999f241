"""Raters who reward style, truth or both: how often intervals of style-adjusted preference hold what is so.

Every data set goes through rows: votes and surface in, `adjust` out. Truth comes from the raters' own probabilities on
the prompts they might have been shown, for the raters who voted: intervals are conditional on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import AdjustedPreference, Interval
from components.contracts.preference_rows import StyleFeatures
from components.report.clustered import Floats
from components.report.preferring.style_preference import adjust
from pipelines.validity.kept import Kept
from pipelines.validity.rates import COVERAGE
from pipelines.validity.style_worlds import WORLDS, StyleWorld, lengths_of, share_won

LEAST = COVERAGE[0]
"""Promised of the intervals of the raw and the adjusted effect."""
ABOUT = (
    "Votes and counted surface in, intervals of the style regression out. raw, adjusted: share of 95% intervals"
    f" that hold the truth; {LEAST:.0%} are promised, and a world misses when it lies below by more than a standard"
    " error of so many data sets. width: mean, of the adjusted effect, on the scale of shares. 0 left out: data"
    " sets whose adjusted interval does not reach 0; false alarms where raters are alike and reward style alone,"
    " else power. share printed: data sets whose raw interval does not reach 0, so that a share explained by style"
    " is printed; of these: intervals of it that hold the truth; misled: data sets in which it is printed and does"
    " not. The truth is that of the raters who voted."
)
HEADING = (
    "raters reward",
    "prompts",
    "raters",
    "length tied",
    "raw",
    "adjusted",
    "width",
    "0 left out",
    "share printed",
    "of these",
    "misled",
)
PAIR = ("imitator", "target")
ALPHA = 0.05
RESAMPLES = 200
"""Of prompts: only their spread is used, which 200 give to 5%."""


@dataclass(frozen=True)
class StyleCoverage:
    """What came out of one world's data sets, as shares of them."""

    world: StyleWorld
    data_sets: int
    raw: float
    """Intervals of the raw preference that hold the truth."""
    adjusted: float
    """Intervals with style held equal that do."""
    width: float
    """Mean width of those."""
    finds: float
    """Data sets whose adjusted interval leaves 0 out: false alarms where raters reward style alone, power elsewhere."""
    printed: float
    """Data sets in which a share explained by style is printed: those whose raw interval leaves 0 out."""
    explained: float | None
    """Intervals of that share that hold the truth, of those printed; null = none was."""
    misled: float
    """Data sets in which such an interval is printed and wrong."""

    @property
    def kept(self) -> bool:
        """Whether the promise holds, as far as so many data sets can tell: a standard error below it is no miss."""
        least = LEAST - math.sqrt(LEAST * (1 - LEAST) / self.data_sets)
        return bool(self.world.beyond) or (self.raw >= least and self.adjusted >= least)


def style_raters(
    worlds: Sequence[StyleWorld] = WORLDS,
    *,
    num_worlds: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
    kept: Kept | None = None,
) -> tuple[StyleCoverage, ...]:
    """Simulate every world.

    Args:
        worlds: Raters.
        num_worlds: Data sets of each.
        seed: Of every data set's own generator.
        progress: Told each world as it begins.
        kept: Worlds that are finished; those are not simulated again.
    """
    kept = kept or Kept(None)
    found = []
    for number, world in enumerate(worlds):
        progress(world.title)
        make = partial(_simulated, world, num_worlds, (seed, number))
        found.append(kept.result(StyleCoverage, f"{world.title}, {num_worlds}, {seed}", make))
    return tuple(found)


def _simulated(world: StyleWorld, num_worlds: int, seeds: tuple[int, ...]) -> StyleCoverage:
    return _coverage(world, [_data_set(world, np.random.default_rng([*seeds, k])) for k in range(num_worlds)])


@dataclass(frozen=True)
class _DataSet:
    found: AdjustedPreference
    raw: float
    """The truth."""
    adjusted: float
    """The truth."""


def _data_set(world: StyleWorld, rng: np.random.Generator) -> _DataSet:
    features = _surface(world, rng)
    lean = world.lean * rng.standard_normal(world.raters)
    taste = world.length + world.taste * rng.standard_normal(world.raters)
    found = adjust(
        _votes(world, features, lean, taste, rng), features, PAIR, ALPHA, RESAMPLES, int(rng.integers(2**31))
    )
    as_is = np.mean([share_won(world, world.strength + lean[r], taste[r]) for r in range(world.raters)])
    exchanged = np.mean([share_won(world, -world.strength - lean[r], taste[r]) for r in range(world.raters)])
    return _DataSet(found, float(as_is) - 0.5, float(as_is - exchanged) / 2)


def _surface(world: StyleWorld, rng: np.random.Generator) -> list[StyleFeatures]:
    """Words pull, or nothing does; the other features only make noise."""
    n = world.prompts
    words = lengths_of(world.bond, n, rng)
    lists, headers, bold = rng.poisson([4.0, 3.0], (n, 2)), rng.poisson(0.5, (n, 2)), rng.poisson(1, (n, 2))
    summary = rng.random((n, 2)) < 0.3
    return [
        StyleFeatures(
            prompt_id=f"p{i}",
            model=model,
            words=int(words[i, k]),
            list_items=int(lists[i, k]),
            headers=int(headers[i, k]),
            bold_runs=int(bold[i, k]),
            has_summary=bool(summary[i, k]),
        )
        for i in range(n)
        for k, model in enumerate(PAIR)
    ]


def _votes(
    world: StyleWorld, features: list[StyleFeatures], lean: Floats, taste: Floats, rng: np.random.Generator
) -> list[Judgment]:
    """Every rater's vote on every prompt, in a place drawn at random."""
    words = np.array([row.words for row in features], dtype=np.float64).reshape(-1, 2)
    pull = (words[:, 0] - words[:, 1]) / words.sum(axis=1)
    shape = (world.prompts, world.raters)
    sign = rng.choice([-1, 1], shape)
    felt = world.strength + lean + taste * pull[:, None] + world.place * sign + rng.logistic(size=shape)
    return [
        Judgment(
            prompt_id=f"p{i}",
            source="simulated",
            rater=f"r{r}",
            model=PAIR[0],
            opponent=PAIR[1],
            outcome="win" if felt[i, r] > world.tie else "loss" if felt[i, r] < -world.tie else "tie",
            order="model_first" if sign[i, r] > 0 else "opponent_first",
        )
        for i in range(world.prompts)
        for r in range(world.raters)
    ]


def _coverage(world: StyleWorld, drawn: list[_DataSet]) -> StyleCoverage:
    raw = [_holds(one.found.raw_ci, one.raw) for one in drawn]
    adjusted = [_holds(one.found.adjusted_ci, one.adjusted) for one in drawn]
    widths = [one.found.adjusted_ci[1] - one.found.adjusted_ci[0] for one in drawn if one.found.adjusted_ci]
    finds = [not _holds(one.found.adjusted_ci, 0.0) for one in drawn]
    printed = [one for one in drawn if one.found.style_share_ci]
    explained = [_holds(one.found.style_share_ci, 1 - one.adjusted / one.raw) for one in printed]
    return StyleCoverage(
        world=world,
        data_sets=len(drawn),
        raw=float(np.mean(raw)),
        adjusted=float(np.mean(adjusted)),
        width=float(np.mean(widths)),
        finds=float(np.mean(finds)),
        printed=len(printed) / len(drawn),
        explained=float(np.mean(explained)) if explained else None,
        misled=explained.count(False) / len(drawn),
    )


def _holds(interval: Interval | None, truth: float) -> bool:
    """An interval that cannot be had excludes nothing."""
    return interval is None or interval[0] <= truth <= interval[1]


def cells(found: StyleCoverage) -> tuple[str, ...]:
    """A row of the table under HEADING; coverage below the promise is marked."""
    world = found.world
    missed = f" (not promised: {world.beyond})" if world.beyond else "" if found.kept else " **missed**"
    explained = "-" if found.explained is None else f"{100 * found.explained:.1f}"
    return (
        world.name + missed,
        str(world.prompts),
        str(world.raters),
        world.bond,
        *(f"{100 * share:.1f}" for share in (found.raw, found.adjusted)),
        f"{found.width:.2f}",
        *(f"{100 * share:.1f}" for share in (found.finds, found.printed)),
        explained,
        f"{100 * found.misled:.1f}",
    )
