"""Fieller's interval and pooling: definition, coverage, a brute-force bootstrap, Welch's degrees of freedom."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from components.report.fieller import Contrasts, confidence, fieller, gap_interval, is_measurable, pool, satterthwaite
from components.report.joining import PARTS, tables
from components.report.quantiles import t_quantile
from pipelines.validity.drawing import answers, score_rows
from pipelines.validity.judging import judged
from pipelines.validity.worlds import Task, World

ALPHA = 0.05


def test_the_interval_is_where_the_pivot_reaches_its_quantile() -> None:
    c = Contrasts(delta=0.05, gap=0.2, var_delta=2e-4, var_gap=3e-4, covariance=1e-4, df=25)
    interval = fieller(c, ALPHA)
    assert interval is not None
    for theta in interval:
        spread = c.var_delta - 2 * theta * c.covariance + theta**2 * c.var_gap
        assert abs(c.delta - theta * c.gap) / math.sqrt(spread) == pytest.approx(stats.t.ppf(0.975, 25), rel=1e-9)
    assert interval[0] < c.delta / c.gap < interval[1]


def test_a_gap_that_may_be_zero_has_no_interval_and_a_measurable_one_always_has() -> None:
    rng = np.random.default_rng(0)
    seen = {True: 0, False: 0}
    for _ in range(500):
        gap, var_gap = rng.normal(0.05, 0.1), rng.uniform(1e-4, 4e-3)
        c = Contrasts(rng.normal(0, 0.05), gap, 1e-3, var_gap, 0.4 * math.sqrt(1e-3 * var_gap), rng.integers(3, 40))
        measurable = is_measurable(c, ALPHA)
        seen[measurable] += 1
        if measurable:
            assert fieller(c, ALPHA) is not None
        if gap_interval(c, ALPHA)[0] <= 0 <= gap_interval(c, ALPHA)[1]:
            assert fieller(c, ALPHA) is None
    assert min(seen.values()) > 50


def test_a_target_worse_than_the_base_is_not_measurable_however_sure() -> None:
    c = Contrasts(delta=0.05, gap=-0.3, var_delta=1e-5, var_gap=1e-5, covariance=0.0, df=math.inf)
    assert not is_measurable(c, ALPHA)


@pytest.mark.parametrize("true_ratio", [0.0, 0.5])
def test_fieller_covers_at_its_nominal_rate(true_ratio: float) -> None:
    rng = np.random.default_rng(7)
    hits = []
    for _ in range(1500):
        base = rng.standard_normal(40)
        noise = rng.standard_normal((2, 40))
        target = 1.0 + 0.5 * base + noise[0]
        imitator = true_ratio + (1 - 0.5 * true_ratio) * base + 0.7 * noise[1]
        d, g = imitator - base, target - base
        cov = np.cov(d, g) / 40
        c = Contrasts(d.mean(), g.mean(), cov[0, 0], cov[1, 1], cov[0, 1], 39)
        interval = fieller(c, ALPHA)
        if interval is not None:
            hits.append(interval[0] <= true_ratio <= interval[1])
    assert len(hits) > 1400
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.slow
def test_intervals_agree_with_a_brute_force_cluster_bootstrap() -> None:
    world = World("w", (Task("a", 3000, 0.3, 0.6, closed=0.4, clusters=60),))
    answered = answers(world.tasks[0], np.random.default_rng(3))
    (r,) = judged(world, [answered], []).benchmarks
    (table,) = tables({part: score_rows(world.tasks[0], answered, part) for part in PARTS}, min_matched=1.0)
    values = np.stack([table.values[part] for part in ("base", "imitator", "target")], axis=1)
    members = [values[table.clusters == label] for label in np.unique(table.clusters)]
    sums, sizes = np.array([m.sum(axis=0) for m in members]), np.array([len(m) for m in members])
    drawn = np.random.default_rng(4).integers(0, len(members), (8000, len(members)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    delta, gap = means[:, 1] - means[:, 0], means[:, 2] - means[:, 0]
    for ci, draws in ((r.delta_ci, delta), (r.gap_ci, gap), (r.gap_closed_ci, delta / gap)):
        assert ci is not None
        low, high = np.quantile(draws, [0.025, 0.975])
        # Percentiles of 60 clusters and t intervals differ by a few per cent of their width.
        assert ci == pytest.approx((low, high), abs=0.08 * (high - low))


def test_degrees_of_freedom_of_a_sum_are_welchs() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 1, 9), rng.normal(0, 3, 25)
    parts = [(x.var(ddof=1) / 9, 8.0), (y.var(ddof=1) / 25, 24.0)]
    assert satterthwaite(parts) == pytest.approx(stats.ttest_ind(x, y, equal_var=False).df)
    assert satterthwaite([(1.0, math.inf), (2.0, math.inf)]) == math.inf
    assert satterthwaite([(1.0, 10.0), (0.0, math.inf)]) == pytest.approx(10.0)


def test_pooling_adds_sums_and_keeps_the_more_careful_degrees_of_freedom() -> None:
    a = Contrasts(0.02, 0.2, 4e-4, 1e-4, 5e-5, 10)
    b = Contrasts(0.10, 0.1, 1e-4, 4e-4, 2e-5, 100)
    both = pool([a, b])
    assert (both.delta, both.gap) == pytest.approx((0.12, 0.3))
    assert (both.var_delta, both.var_gap, both.covariance) == pytest.approx((5e-4, 5e-4, 7e-5))
    assert both.df == pytest.approx(min(25e-8 / (16e-8 / 10 + 1e-8 / 100), 25e-8 / (1e-8 / 10 + 16e-8 / 100)))


def test_unknown_variance_means_an_endless_interval() -> None:
    assert confidence(0.1, math.nan, 0, ALPHA) == (-math.inf, math.inf)


def test_infinite_degrees_of_freedom_are_the_normal() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(stats.norm.ppf(0.975))
    assert t_quantile(0.975, 4) == pytest.approx(stats.t.ppf(0.975, 4))
