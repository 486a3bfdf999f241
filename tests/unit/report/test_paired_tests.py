"""Tests beside scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from components.report.paired_tests import (
    detectable,
    holm,
    mcnemar_exact,
    p_greater,
    p_less,
    p_two_sided,
)
from components.report.quantiles import wilson


@pytest.mark.parametrize("seed", range(4))
def test_p_values_are_the_paired_t_tests(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.random(30), rng.random(30) + 0.1 * (seed - 1)
    difference = after - before
    effect, variance = difference.mean(), difference.var(ddof=1) / 30
    for ours, alternative in ((p_two_sided, "two-sided"), (p_greater, "greater"), (p_less, "less")):
        assert ours(effect, variance, 29) == pytest.approx(
            stats.ttest_rel(after, before, alternative=alternative).pvalue
        )


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (0, 5), (7, 3), (40, 41), (300, 250)])
def test_mcnemar_is_scipys_and_statsmodels_exact_test(gained: int, lost: int) -> None:
    ours = mcnemar_exact(gained, lost)
    if gained + lost:
        assert ours == pytest.approx(stats.binomtest(gained, gained + lost, 0.5).pvalue)
    assert ours == pytest.approx(mcnemar([[20, lost], [gained, 30]], exact=True).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5, 0.9], [0.2], [], [0.001, 0.001, 0.02, 0.9, 0.013]])
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))


@pytest.mark.parametrize("n", [40, 164, 3610])
def test_detectable_effect_has_eighty_per_cent_power(n: int) -> None:
    effect = detectable(1.0 / n, n - 1, 0.05)
    assert TTestPower().power(effect, n, 0.05, alternative="two-sided") == pytest.approx(0.8, abs=0.005)


def test_no_change_without_spread_is_no_evidence() -> None:
    assert p_two_sided(0.0, 0.0, 9) == 1.0
    assert p_greater(0.1, 0.0, 9) == 0.0
    assert p_greater(0.1, 1e-4, math.inf) == pytest.approx(stats.norm.sf(10))


@pytest.mark.parametrize(("k", "n"), [(0, 12), (12, 12), (5, 40)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n, 0.05) == pytest.approx((expected.low, expected.high), abs=1e-12)
