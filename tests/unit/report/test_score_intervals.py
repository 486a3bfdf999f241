"""Score intervals: Tango's formula, McNemar's statistic, a brute-force multinomial, coverage by enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special, stats
from statsmodels.stats.contingency_tables import mcnemar

from components.report.score_intervals import Pairs, Triples
from tests.unit.report.score_reference import tango, tango_standing

ALPHA = 0.05


@pytest.mark.parametrize(("n", "gained", "lost"), [(21, 1, 7), (50, 12, 2), (30, 0, 1), (40, 20, 0), (3610, 150, 190)])
def test_the_interval_of_a_change_is_tangos(n: int, gained: int, lost: int) -> None:
    differences = np.array([1.0] * gained + [-1.0] * lost + [0.0] * (n - gained - lost))
    assert Pairs(n, gained, lost).interval(ALPHA) == pytest.approx(tango(differences), abs=1e-9)
    for value in (-0.6, -0.05, 0.01, 0.4):
        assert Pairs(n, gained, lost).standing(value) == pytest.approx(tango_standing(n, gained, lost, value))


def test_at_no_change_the_statistic_is_mcnemars_and_the_p_value_too() -> None:
    found = Pairs(100, 17, 6)
    expected = mcnemar([[40, 6], [17, 37]], exact=False, correction=False)
    assert found.standing(0.0) ** 2 == pytest.approx(expected.statistic)
    assert 2 * found.p_greater(0.0) == pytest.approx(expected.pvalue)
    assert found.p_greater(0.0) + found.p_less(0.0) == pytest.approx(1.0)


@pytest.mark.parametrize("n", [1, 10, 164])
def test_items_that_are_all_alike_prove_little(n: int) -> None:
    z2 = stats.norm.isf(ALPHA / 2) ** 2
    assert Pairs(n, 0, 0).interval(ALPHA) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)))
    # All gained: twice Wilson's distance from one.
    assert Pairs(n, n, 0).interval(ALPHA) == pytest.approx((1 - 2 * z2 / (n + z2), 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 50])
def test_the_interval_of_a_change_covers_at_its_level_over_a_range_of_truths(n: int) -> None:
    tables = [(0.1, 0.1), (0.07, 0.07), (0.05, 0.1), (0.05, 0.2), (0.1, 0.3), (0.02, 0.12), (0.2, 0.05)]
    outcomes = [(g, b) for g in range(n + 1) for b in range(n + 1 - g) if g + b <= 0.8 * n]
    found = []
    for lost, gained in tables:
        held = 0.0
        for g, b in outcomes:
            if abs(Pairs(n, g, b).standing(gained - lost)) <= stats.norm.isf(ALPHA / 2):
                held += math.exp(
                    special.gammaln(n + 1)
                    - special.gammaln([g + 1, b + 1, n - g - b + 1]).sum()
                    + special.xlogy([g, b, n - g - b], [gained, lost, 1 - gained - lost]).sum()
                )
        found.append(held)
    assert min(found) >= 0.93
    assert 0.94 <= np.mean(found) <= 0.965


def _triples(n: int, shares: tuple[float, float, float], seed: int) -> Triples:
    latent = np.random.default_rng(seed).standard_normal((n, 1)) + np.random.default_rng([seed, 1]).standard_normal(
        (n, 3)
    )
    return Triples.of((latent < np.sqrt(2) * special.ndtri(shares)).astype(np.float64))


@pytest.mark.parametrize("ratio", [0.0, 0.3, -0.4, 1.2])
@pytest.mark.parametrize("few", [False, True], ids=["every answer seen", "answers nobody gave"])
def test_the_statistic_of_a_ratio_takes_the_likeliest_multinomial_under_it(ratio: float, few: bool) -> None:
    found = Triples((40, 6, 0, 14, 0, 0, 0, 0)) if few else _triples(60, (0.3, 0.4, 0.7), 1)
    counts = np.array(found.counts)
    cells = np.array([[k >> 2 & 1, k >> 1 & 1, k & 1] for k in range(8)], dtype=float)
    weights = cells @ [-1 + ratio, 1.0, -ratio]
    best = optimize.minimize(
        lambda p: -special.xlogy(counts, np.maximum(p, 1e-12)).sum(),
        np.full(8, 1 / 8),
        method="SLSQP",
        bounds=[(0, 1)] * 8,
        constraints=({"type": "eq", "fun": lambda p: p.sum() - 1}, {"type": "eq", "fun": lambda p: p @ weights}),
        options={"ftol": 1e-13, "maxiter": 500},
    ).x
    expected = counts @ weights / 60 / math.sqrt(best @ weights**2 / 60)
    assert found.standing(ratio) == pytest.approx(expected, rel=2e-4)


def test_the_interval_of_a_ratio_holds_what_the_statistic_does_not_refuse() -> None:
    found = _triples(200, (0.3, 0.4, 0.7), 2)
    ends = found.ratio_interval(ALPHA)
    assert ends is not None
    z = stats.norm.isf(ALPHA / 2)
    assert [abs(found.standing(end)) for end in ends] == pytest.approx([z, z])
    assert [abs(found.standing(end)) < z for end in (ends[0] + 0.01, ends[1] - 0.01)] == [True, True]


def test_a_ratio_has_no_interval_where_the_gap_may_be_nothing() -> None:
    assert _triples(40, (0.5, 0.5, 0.5), 3).ratio_interval(ALPHA) is None
    assert Triples((10, 0, 0, 0, 0, 0, 0, 5)).ratio_interval(ALPHA) is None


@pytest.mark.slow
def test_the_interval_of_a_ratio_covers_at_its_level_with_few_items() -> None:
    shares, hits = (0.2, 0.32, 0.6), []
    for seed in range(600):
        ends = _triples(40, shares, 100 + seed).ratio_interval(ALPHA)
        if ends is not None:
            hits.append(ends[0] <= 0.3 <= ends[1])
    assert len(hits) > 500
    assert 0.925 <= np.mean(hits) <= 0.975
