"""Slopes, saturating curves and what a goal would take, beside scipy's fits and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from components.contracts.errors import TouchstoneError
from components.report.clustered import Floats
from components.report.sweeping.scaling_fit import LEAST_EXPONENT, Sweep, fit

AMOUNTS = [0.3e6, 5e6, 50e6, 150e6]
U = np.array(AMOUNTS) / AMOUNTS[-1]


def _printed(means: list[float] | Floats, *, goal: float | None = 0.31, variance: float = 4e-5) -> Sweep:
    return Sweep.of_means(AMOUNTS, np.asarray(means), variance * np.eye(len(AMOUNTS)), goal=goal)


def _items(shares: list[float], rng: np.random.Generator, n: int = 1500, clusters: int | None = None) -> Floats:
    difficulty = rng.standard_normal(n)
    noise = rng.standard_normal((n, len(shares)))
    latent = 0.8 * difficulty[:, None] + 0.6 * noise
    return (latent < stats.norm.ppf(shares)).astype(np.float64)


def test_the_slope_is_least_squares_in_log2_of_the_amount() -> None:
    means = [0.20, 0.215, 0.24, 0.236]
    found = fit(_printed(means))
    assert found.slope.per_doubling == pytest.approx(stats.linregress(np.log2(AMOUNTS), means).slope)
    assert found.doublings == pytest.approx(math.log2(500))


def test_the_slopes_interval_is_that_of_known_covariance() -> None:
    found = fit(_printed([0.2, 0.2, 0.2, 0.2]), resamples=20000)
    x = np.log2(AMOUNTS)
    half = 1.96 * math.sqrt(4e-5 / ((x - x.mean()) ** 2).sum())
    assert found.slope.ci == pytest.approx((-half, half), rel=0.05)


def test_the_saturating_curve_is_scipys() -> None:
    means = [0.10, 0.21, 0.27, 0.28]
    found = fit(_printed(means)).saturation

    def curve(u: Floats, a: float, d: float, c: float) -> Floats:
        return np.asarray(a - d * u**-c)

    reference, _ = optimize.curve_fit(curve, U, means, p0=(0.3, 0.02, 0.3), bounds=([0, -1, LEAST_EXPONENT], [1, 1, 4]))
    assert found is not None
    assert (found.asymptote, found.distance, found.exponent) == pytest.approx(tuple(reference), abs=0.02)
    ours = np.array(means) - curve(U, found.asymptote, found.distance, found.exponent)
    theirs = np.array(means) - curve(U, *reference)
    assert found.rms_residual == pytest.approx(np.sqrt(np.mean(ours**2)))
    assert found.rms_residual <= 1.02 * np.sqrt(np.mean(theirs**2))


def test_a_noiseless_curve_gives_back_the_amount_it_was_made_with() -> None:
    means = 0.40 - 0.05 * U**-0.3
    found = fit(_printed(means, goal=0.36, variance=1e-8))
    needed = found.needed
    # 0.40 - 0.05 u^-0.3 = 0.36 at u = (0.05 / 0.04)^(1 / 0.3).
    truth = AMOUNTS[-1] * (0.05 / 0.04) ** (1 / 0.3)
    assert needed is not None
    assert needed.answer == "amount"
    assert needed.amount == pytest.approx(truth, rel=0.05)
    assert needed.ci is not None
    assert needed.ci[1] is not None
    assert needed.ci[0] < truth < needed.ci[1]
    assert needed.doublings_beyond == pytest.approx(math.log2(truth / AMOUNTS[-1]), abs=0.1)
    assert found.sentence.startswith("The target (36%) would take about ")


def test_flat_scores_say_that_data_cannot() -> None:
    found = fit(Sweep.of_items(AMOUNTS, _items([0.2] * 4, np.random.default_rng(1)), np.arange(1500), goal=0.31))
    assert found.needed is not None
    assert found.needed.answer == "cannot"
    assert found.saturation is not None
    assert found.saturation.asymptote_ci[1] < 0.31
    assert found.sentence.startswith("More tokens cannot reach the target (31%)")


def test_scores_above_the_goal_have_reached_it() -> None:
    found = fit(_printed([0.2, 0.3, 0.38, 0.40], goal=0.31))
    assert found.needed is not None
    assert found.needed.answer == "reached"


def test_a_short_range_tells_little_and_says_so() -> None:
    sweep = Sweep.of_means([1e6, 2e6, 4e6], np.array([0.20, 0.22, 0.235]), 1e-4 * np.eye(3), goal=0.5)
    found = fit(sweep)
    assert found.needed is not None
    assert found.needed.answer == "unknown"
    assert "cannot be told" in found.sentence
    assert any("nothing to check the curve by" in line for line in found.remarks)


def test_a_goal_of_the_same_items_is_resampled_with_them() -> None:
    rng = np.random.default_rng(5)
    values = _items([0.2, 0.25, 0.3, 0.33, 0.5], rng)
    together = fit(Sweep.of_items(AMOUNTS, values[:, :4], np.arange(1500), goal=values[:, 4]))
    fixed = fit(Sweep.of_items(AMOUNTS, values[:, :4], np.arange(1500), goal=float(values[:, 4].mean())))
    assert together.goal == pytest.approx(fixed.goal)
    assert together.slope == fixed.slope
    assert together.needed != fixed.needed


def test_items_that_some_model_lacks_are_left_out_of_all() -> None:
    values = _items([0.2, 0.25, 0.3, 0.33], np.random.default_rng(5))
    values[:100, 2] = np.nan
    found = fit(Sweep.of_items(AMOUNTS, values, np.arange(1500)))
    assert found.n == 1400
    assert found.points[0].value == pytest.approx(values[100:, 0].mean())


def test_amounts_in_any_order_give_the_same_fit() -> None:
    values = _items([0.2, 0.25, 0.3, 0.33], np.random.default_rng(5))
    turned = fit(Sweep.of_items(AMOUNTS[::-1], values[:, ::-1], np.arange(1500), goal=0.4))
    assert turned == fit(Sweep.of_items(AMOUNTS, values, np.arange(1500), goal=0.4))


def test_runs_that_differ_by_more_than_their_items_are_noticed() -> None:
    found = fit(_printed([0.20, 0.30, 0.21, 0.31]))
    assert found.slope.lack_of_fit is not None
    assert found.slope.lack_of_fit < 1e-6
    assert any("training runs differ" in line for line in found.remarks)


@pytest.mark.parametrize(
    "amounts", [[1e6], [1e6, 1e6], [0.0, 1e6], [-1.0, 1e6], [math.nan, 1e6]], ids=["one", "twice", "0", "-1", "nan"]
)
def test_amounts_that_make_no_sweep_are_refused(amounts: list[float]) -> None:
    with pytest.raises(TouchstoneError, match="amounts"):
        Sweep.of_means(amounts, np.zeros(len(amounts)), np.eye(len(amounts)))


def test_one_cluster_is_refused() -> None:
    with pytest.raises(TouchstoneError, match="items of one cluster"):
        Sweep.of_items(AMOUNTS, np.ones((5, 4)), np.zeros(5, dtype=np.int64))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "clusters"), [(600, 600), (600, 15)])
def test_slopes_cover_the_truth_and_data_are_rarely_given_up_wrongly(n: int, clusters: int) -> None:
    """The curve does reach the goal, in the end, and levels off as slowly as is thought possible."""
    shares = 0.40 - 0.08 * U**-0.15
    truth = stats.linregress(np.log2(AMOUNTS), shares).slope
    rng = np.random.default_rng([7, clusters])
    hits: list[bool] = []
    given_up = 0
    for seed in range(100):
        values = _items(list(shares), rng, n)
        found = fit(Sweep.of_items(AMOUNTS, values, rng.integers(0, clusters, n), goal=0.39), resamples=300, seed=seed)
        hits.append(bool(found.slope.ci[0] <= truth <= found.slope.ci[1]))
        assert found.needed is not None
        given_up += found.needed.answer == "cannot"
    # 100 draws: a standard error of 2.2 points around 95%.
    assert np.mean(hits) >= 0.89
    assert given_up <= 0.05 * 100


def test_few_clusters_widen_the_slopes_interval_to_students() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(8), 50)
    values = rng.standard_normal((400, 4)) + 0.5 * rng.standard_normal((8, 4))[clusters]
    found = fit(Sweep.of_items(AMOUNTS, values, clusters), resamples=20_000).slope
    x = np.log2(AMOUNTS) - np.log2(AMOUNTS).mean()
    slopes = values.reshape(8, 50, 4).mean(axis=1) @ (x / (x @ x))
    expected = stats.t.interval(0.95, 7, slopes.mean(), stats.sem(slopes))
    assert found.per_doubling == pytest.approx(slopes.mean())
    # A bootstrap of eight clusters; without the stretch it would be 22% narrower.
    assert found.ci[1] - found.ci[0] == pytest.approx(expected[1] - expected[0], rel=0.08)
