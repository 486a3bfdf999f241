"""How often the intervals of preference hold the truth, in simulated worlds where it is known.

`python -m tests.validity.test_preference_truth 1000` prints the table of 1,000 worlds a row; the tests run a slice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from components.contracts.preference_results import Interval
from components.report.preferring.corrected_rates import LabelledRate, ppi_plus_plus, rogan_gladen
from components.report.preferring.preference import share_interval
from components.report.preferring.rater_resampling import rater_interval
from components.report.preferring.style_preference import adjust
from components.report.preferring.voices import majority, voices_in, votes_of
from tests.unit.report.voting_for_tests import PAIR, TIE, outputs, votes

RESAMPLES = 400
SHORT_WORLDS = 120
Array = npt.NDArray[np.float64]


class Coverage(NamedTuple):
    """What came out of one world's simulations."""

    share: float
    """Of the intervals that hold the truth."""
    width: float
    """Mean."""
    given: float
    """Share of worlds in which there is an interval at all."""


def _coverage(intervals: list[Interval | None], truth: float) -> Coverage:
    known = [ci for ci in intervals if ci is not None]
    held = [low <= truth <= high for low, high in known]
    return Coverage(float(np.mean(held)), float(np.mean([b - a for a, b in known])), len(known) / len(intervals))


# --- style held equal ---------------------------------------------------------------------------------------------


class StyleWorld(NamedTuple):
    """What raters reward, in log-odds."""

    prompts: int
    raters: int
    strength: float
    """The model, whatever its surface."""
    length: float
    """A normalised difference in words of 1."""
    place: float = 0.3


STYLE_WORLDS = {
    "only style": StyleWorld(255, 3, 0.0, 3.0),
    "only truth": StyleWorld(255, 3, 0.8, 0.0),
    "style and truth": StyleWorld(255, 3, 0.6, 2.0),
    "style against truth": StyleWorld(255, 3, -0.6, 2.0),
    "only style, 80 prompts, one judge": StyleWorld(80, 1, 0.0, 3.0),
    "only truth, 80 prompts, one judge": StyleWorld(80, 1, 0.8, 0.0),
}


@cache
def _length_pull() -> Array:
    """Normalised differences in words on many prompts."""
    words = np.array([row.words for row in outputs(20_000, seed=9)], dtype=float).reshape(-1, 2)
    return (words[:, 0] - words[:, 1]) / words.sum(axis=1)


def true_effects(world: StyleWorld) -> tuple[float, float]:
    """Raw and adjusted: the rater's own probabilities with models exchanged, on many prompts."""
    style = world.length * _length_pull()

    def share(strength: float) -> float:
        felt = strength + style
        every = [expit(felt + place + tie) for place in (world.place, -world.place) for tie in (TIE, -TIE)]
        return float(np.mean(every))

    return share(world.strength) - 0.5, (share(world.strength) - share(-world.strength)) / 2


@cache
def style_coverage(name: str, num_worlds: int) -> tuple[Coverage, Coverage]:
    """Of the raw and of the adjusted effect."""
    world = STYLE_WORLDS[name]
    raw: list[Interval | None] = []
    adjusted: list[Interval | None] = []
    for seed in range(num_worlds):
        features = outputs(world.prompts, seed=1000 + seed)
        rows = votes(
            features,
            raters=world.raters,
            strength=world.strength,
            length=world.length,
            place=world.place,
            seed=seed,
        )
        found = adjust(rows, features, PAIR, alpha=0.05, resamples=RESAMPLES, seed=seed)
        raw.append(found.raw_ci)
        adjusted.append(found.adjusted_ci)
    truth = true_effects(world)
    return _coverage(raw, truth[0]), _coverage(adjusted, truth[1])


# --- other raters -------------------------------------------------------------------------------------------------

RATER_POOLS = {"12 raters who lean": (12, 1.0), "70 raters who lean": (70, 1.0), "12 raters alike": (12, 0.0)}
RIVALRY = StyleWorld(255, 3, -0.8, 3.0, 0.0)
"""Prompts differ about as much as raters do."""


@cache
def rater_coverage(name: str, num_worlds: int) -> tuple[Coverage, Coverage]:
    """Of the prompt bootstrap, and of prompts and raters together; three of the pool vote on each of 255 prompts."""
    size, lean = RATER_POOLS[name]
    rng = np.random.default_rng(7)
    felt = RIVALRY.strength + RIVALRY.length * np.repeat(_length_pull(), 10)[:, None]
    felt = felt + lean * rng.standard_normal((len(felt), 3)) + rng.logistic(size=(len(felt), 3))
    truth = float(1 - (2 * (felt < -TIE).sum(axis=1) > 3).mean())
    prompts_only: list[Interval | None] = []
    both: list[Interval | None] = []
    for seed in range(num_worlds):
        rng = np.random.default_rng([8, seed])
        rows = votes(
            outputs(255, seed=1000 + seed),
            raters=size,
            strength=RIVALRY.strength,
            length=RIVALRY.length,
            lean=lean,
            voting=3,
            seed=seed,
        )
        voices = {prompt: voices_in(said) for prompt, said in votes_of(rows).items()}
        kept = sum(majority(list(said.values())) != "loss" for said in voices.values())
        prompts_only.append(share_interval(kept, 255, alpha=0.05, resamples=RESAMPLES, rng=rng))
        both.append(rater_interval(voices, alpha=0.05, resamples=RESAMPLES, seed=seed))
    return _coverage(prompts_only, truth), _coverage(both, truth)


# --- labels of people ---------------------------------------------------------------------------------------------


class LabelWorld(NamedTuple):
    """People's share, and the judge's sensitivity and specificity."""

    labelled: int
    rest: int
    share: float
    sensitivity: float
    specificity: float


LABEL_WORLDS = {
    "100 labels, fair judge": LabelWorld(100, 400, 0.5, 0.9, 0.6),
    "50 labels, good judge": LabelWorld(50, 205, 0.3, 0.85, 0.75),
    "100 labels, share near 0": LabelWorld(100, 705, 0.1, 0.9, 0.8),
    "50 labels, share near 1": LabelWorld(50, 750, 0.85, 0.8, 0.6),
}


@cache
def label_coverage(name: str, num_worlds: int) -> tuple[Coverage, Coverage]:
    """Of PPI++ and of Rogan and Gladen."""
    world = LABEL_WORLDS[name]
    rng = np.random.default_rng(5)
    powered, turned_back = [], []
    for _ in range(num_worlds):
        truth = (rng.random(world.labelled + world.rest) < world.share).astype(np.float64)
        says = np.where(truth == 1, world.sensitivity, 1 - world.specificity)
        judged = (rng.random(len(truth)) < says).astype(np.float64)
        rate = LabelledRate(truth[: world.labelled], judged[: world.labelled], judged[world.labelled :])
        powered.append(ppi_plus_plus(rate, 0.05).ci)
        turned_back.append(rogan_gladen(rate, 0.05).ci)
    return _coverage(powered, world.share), _coverage(turned_back, world.share)


# --- the slice that tests run -------------------------------------------------------------------------------------


LARGE = pytest.mark.long
"""255 prompts and three raters; 80 prompts and one judge are quick, and the harder case for a bootstrap."""


@pytest.mark.parametrize("name", [pytest.param("only style", marks=LARGE), "only style, 80 prompts, one judge"])
def test_raters_who_reward_style_alone_leave_an_interval_around_nothing(name: str) -> None:
    raw, adjusted = style_coverage(name, SHORT_WORLDS)
    raw_truth, adjusted_truth = true_effects(STYLE_WORLDS[name])
    assert adjusted_truth == pytest.approx(0, abs=1e-12)
    assert raw_truth > 0.08
    # 120 worlds: a standard error of 2 points.
    assert min(raw.share, adjusted.share) >= 0.90


def test_raters_who_reward_truth_alone_keep_it() -> None:
    raw, adjusted = style_coverage("only truth, 80 prompts, one judge", SHORT_WORLDS)
    raw_truth, adjusted_truth = true_effects(STYLE_WORLDS["only truth, 80 prompts, one judge"])
    assert adjusted_truth == pytest.approx(raw_truth, abs=1e-12)
    assert min(raw.share, adjusted.share) >= 0.90
    # The interval stays away from nothing.
    assert adjusted.width / 2 < adjusted_truth


@pytest.mark.long
def test_style_and_truth_are_told_apart() -> None:
    raw, adjusted = style_coverage("style and truth", SHORT_WORLDS)
    assert min(raw.share, adjusted.share) >= 0.90


def test_prompts_and_raters_cover_what_prompts_alone_do_not() -> None:
    prompts_only, both = rater_coverage("12 raters who lean", 60)
    assert prompts_only.share < 0.80
    assert both.share >= 0.85


@pytest.mark.parametrize("name", sorted(LABEL_WORLDS))
def test_corrected_rates_cover_the_truth(name: str) -> None:
    powered, turned_back = label_coverage(name, 1000)
    assert 0.93 <= powered.share <= 0.98
    # The condition on Youden's index leaves out the worlds in which the judge looked worst.
    assert turned_back.share >= 0.93
    assert powered.width < turned_back.width


def table(num_worlds: int) -> str:
    """Every world, a line an interval."""
    parts: tuple[tuple[dict[str, object], Callable[[str, int], tuple[Coverage, Coverage]], tuple[str, str]], ...] = (
        (dict(STYLE_WORLDS), style_coverage, ("raw", "adjusted")),
        (dict(RATER_POOLS), rater_coverage, ("prompts", "prompts and raters")),
        (dict(LABEL_WORLDS), label_coverage, ("PPI++", "Rogan-Gladen")),
    )
    lines = [f"{'world':<36}{'interval':<20}{'covers':>8}{'width':>8}{'given':>8}"]
    for worlds, measure, names in parts:
        for world in worlds:
            for name, found in zip(names, measure(world, num_worlds), strict=True):
                lines.append(f"{world:<36}{name:<20}{found.share:>8.3f}{found.width:>8.3f}{found.given:>8.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
