"""Clustered means beside statsmodels (CR1) and beside the matrix formula of CR2."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import linalg, stats

from components.report.clustered import FEW_CLUSTERS, Codes, Floats, clustered_means, stratified_means


def _scores(num_clusters: int, seed: int, *, n: int = 400) -> tuple[Floats, Codes]:
    """0/1 answers of three models whose clusters, of unequal size, are helped or hurt together."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, num_clusters + 1)
    clusters = rng.choice(num_clusters, size=n, p=weights / weights.sum())
    shift = 0.5 * rng.standard_normal((num_clusters, 3))[clusters]
    return (rng.standard_normal((n, 3)) + shift > 0).astype(np.float64), clusters


@pytest.mark.parametrize("num_clusters", [20, 57, 399])
def test_cr1_is_statsmodels_cluster_robust_covariance(num_clusters: int) -> None:
    values, clusters = _scores(num_clusters, seed=num_clusters)
    joint = clustered_means(values, clusters)
    for contrast in ([-1, 1, 0], [-1, 0, 1], [0, 1, -1]):
        difference = values @ contrast
        fit = sm.OLS(difference, np.ones(len(difference))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
        assert joint.means @ contrast == pytest.approx(fit.params[0], abs=1e-12)
        assert contrast @ joint.covariance @ contrast == pytest.approx(fit.bse[0] ** 2, rel=1e-10)
    assert joint.num_clusters == len(np.unique(clusters))


@pytest.mark.parametrize("num_clusters", [2, 5, 12, FEW_CLUSTERS - 1])
def test_cr2_below_twenty_clusters_is_the_matrix_formula(num_clusters: int) -> None:
    values, clusters = _scores(num_clusters, seed=num_clusters)
    difference = values @ [-1, 1, 0]
    n = len(difference)
    design = np.ones((n, 1))
    bread = np.linalg.inv(design.T @ design)
    residuals = difference - difference.mean()
    meat = 0.0
    for label in np.unique(clusters):
        mine = clusters == label
        hat = design[mine] @ bread @ design[mine].T
        adjusted = np.real(linalg.inv(linalg.sqrtm(np.eye(mine.sum()) - hat))) @ residuals[mine]
        meat += float(design[mine].T[0] @ adjusted) ** 2
    joint = clustered_means(values, clusters)
    assert np.array([-1, 1, 0]) @ joint.covariance @ [-1, 1, 0] == pytest.approx(meat * bread[0, 0] ** 2, rel=1e-9)


@pytest.mark.parametrize(("num_clusters", "n"), [(4, 60), (12, 100), (25, 200)])
def test_degrees_of_freedom_are_bell_and_mccaffreys_matrix_formula(num_clusters: int, n: int) -> None:
    _, clusters = _scores(num_clusters, seed=num_clusters, n=n)
    labels = np.unique(clusters)
    residual_maker = np.eye(n) - np.ones((n, n)) / n
    forms = np.zeros((n, n))
    for label in labels:
        mine = (clusters == label).astype(float)
        scale = 1 / (1 - mine.sum() / n) if len(labels) < FEW_CLUSTERS else len(labels) / (len(labels) - 1)
        forms += scale * np.outer(residual_maker @ mine, residual_maker @ mine)
    expected = np.trace(forms) ** 2 / np.trace(forms @ forms)
    assert clustered_means(np.random.default_rng(0).random((n, 1)), clusters).df == pytest.approx(expected)
    assert expected < len(labels) - 1


def test_equal_clusters_have_one_degree_of_freedom_less_than_clusters() -> None:
    clusters = np.repeat(np.arange(12), 5)
    assert clustered_means(np.random.default_rng(0).random((60, 1)), clusters).df == pytest.approx(11)


@pytest.mark.parametrize(("num_clusters", "giant"), [(5, 0), (12, 0), (40, 1200)])
def test_intervals_over_few_or_very_unequal_clusters_cover(num_clusters: int, giant: int) -> None:
    rng = np.random.default_rng(num_clusters)
    sizes = [10 * (i + 1) for i in range(num_clusters)] if not giant else [giant] + [20] * (num_clusters - 1)
    clusters = np.repeat(np.arange(num_clusters), sizes)
    hits = []
    for _ in range(1000):
        values = 0.3 * rng.standard_normal(num_clusters)[clusters] + rng.standard_normal(len(clusters))
        joint = clustered_means(values[:, None], clusters)
        half = stats.t.ppf(0.975, joint.df) * np.sqrt(joint.covariance[0, 0])
        hits.append(abs(joint.means[0]) <= half)
    assert 0.925 <= np.mean(hits) <= 0.985


def test_items_that_stand_alone_give_the_ordinary_variance_of_a_mean() -> None:
    for n in (8, 300):  # on both sides of the switch between the two estimators
        values = np.random.default_rng(n).random((n, 2))
        joint = clustered_means(values, np.arange(n))
        assert joint.covariance == pytest.approx(np.cov(values.T) / n, rel=1e-12)
        assert joint.df == pytest.approx(n - 1)


def test_labels_and_order_of_clusters_do_not_matter() -> None:
    values, clusters = _scores(30, seed=1)
    order = np.random.default_rng(2).permutation(len(values))
    renamed = 1000 - 7 * clusters
    assert clustered_means(values[order], renamed[order]).covariance == pytest.approx(
        clustered_means(values, clusters).covariance, rel=1e-12
    )


def test_one_cluster_has_no_known_spread() -> None:
    joint = clustered_means(np.ones((5, 2)), np.zeros(5, dtype=np.int64))
    assert np.isnan(joint.covariance).all()
    assert joint.df == 0


def test_strata_give_the_textbooks_variance_of_a_stratified_mean() -> None:
    values, strata = _scores(20, seed=3, n=2000)
    difference = values @ [-1, 1, 0]
    expected = 0.0
    for label in np.unique(strata):
        mine = difference[strata == label]
        expected += (len(mine) / len(difference)) ** 2 * mine.var(ddof=1) / len(mine)
    joint = stratified_means(values, strata)
    assert np.array([-1, 1, 0]) @ joint.covariance @ [-1, 1, 0] == pytest.approx(expected, rel=1e-12)
    assert joint.df == 2000 - 20
    assert joint.means == pytest.approx(values.mean(axis=0))


def test_one_stratum_is_a_plain_sample() -> None:
    values = np.random.default_rng(0).random((40, 2))
    assert stratified_means(values, np.zeros(40, dtype=np.int64)).covariance == pytest.approx(np.cov(values.T) / 40)


@pytest.mark.parametrize("num_alone", [1, 3])
def test_items_alone_in_their_stratum_are_put_together(num_alone: int) -> None:
    values = np.random.default_rng(0).random((20, 1))
    strata = np.array([0] * 12 + [1] * (8 - num_alone) + list(range(2, 2 + num_alone)))
    joint = stratified_means(values, strata)
    merged = np.where(strata >= 2, 1 if num_alone == 1 else 2, strata)
    assert joint.covariance == pytest.approx(stratified_means(values, merged).covariance)
    assert joint.df == 20 - (2 if num_alone == 1 else 3)


def test_strata_of_single_items_only_are_one_sample() -> None:
    values = np.random.default_rng(0).random((20, 2))
    assert stratified_means(values, np.arange(20)).covariance == pytest.approx(np.cov(values.T) / 20)
    assert np.isnan(stratified_means(values[:1], np.zeros(1, dtype=np.int64)).covariance).all()
