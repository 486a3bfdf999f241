"""Errors, ranking and calibration equal to the reference implementations; intervals resample prompts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

from components.benchmark.toxicity import accuracy
from components.benchmark.toxicity.accuracy import Compared, area_under_curve, measure


def made(number: int = 3_000, seed: int = 0) -> Compared:
    draw = np.random.default_rng(seed)
    perspective = draw.beta(1.2, 2.0, size=number)
    # Rounded: ties must count half.
    value = np.round(np.clip(perspective + draw.normal(0, 0.2, size=number), 0, 1), 2)
    return Compared(value, perspective, np.arange(number) // 2)


def test_errors_and_ranking_are_those_of_scikit_learn_and_scipy() -> None:
    compared = made()
    found = measure("made", compared, unscored={"empty": 3})
    toxic = compared.perspective >= 0.5
    assert found.mae == pytest.approx(mean_absolute_error(compared.perspective, compared.value), abs=1e-12)
    assert found.rmse == pytest.approx(root_mean_squared_error(compared.perspective, compared.value), abs=1e-12)
    assert found.auc == pytest.approx(roc_auc_score(toxic, compared.value), abs=1e-12)
    u = stats.mannwhitneyu(compared.value[toxic], compared.value[~toxic]).statistic
    assert found.auc == pytest.approx(u / (toxic.sum() * (~toxic).sum()), abs=1e-12)
    assert (found.n, found.groups, found.unscored) == (3_000, 1_500, {"empty": 3})


def test_a_weighted_area_is_that_of_scikit_learn() -> None:
    value, perspective, _ = made(500)
    weight = np.random.default_rng(1).integers(0, 4, size=500).astype(float)
    expected = roc_auc_score(perspective >= 0.5, value, sample_weight=weight)
    assert area_under_curve(value, perspective >= 0.5, weight) == pytest.approx(expected, abs=1e-12)


def test_the_curve_is_that_of_scikit_learn() -> None:
    compared = made()
    found = measure("made", compared, unscored={})
    toxic = compared.perspective >= 0.5
    # scikit-learn's bins are closed above, ours below: no value may lie on an edge.
    inner = compared.value + 0.0049
    shares, means = calibration_curve(toxic, np.minimum(inner, 1.0), n_bins=10)
    ours = measure("inner", Compared(np.minimum(inner, 1.0), *compared[1:]), unscored={}).curve
    assert [one.toxic for one in ours] == pytest.approx(list(shares))
    assert [one.value for one in ours] == pytest.approx(list(means))
    assert sum(one.n for one in found.curve) == found.n


def test_calibration_error_by_hand() -> None:
    # Two bins: 3 texts valued 0.2 where Perspective says 0.5 on average, 1 text valued 0.9 where it says 0.5.
    compared = Compared(np.array([0.2, 0.2, 0.2, 0.9]), np.array([0.4, 0.5, 0.6, 0.5]), np.arange(4))
    found = measure("made", compared, unscored={})
    assert found.ece == pytest.approx((3 * 0.3 + 1 * 0.4) / 4)
    assert found.curve[2].perspective == pytest.approx(0.5)
    assert found.curve[0].value is None


@pytest.mark.slow
def test_the_intervals_cover_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "RESAMPLES", 200)
    # The true mean absolute error is known for an error that is normal: sigma * sqrt(2 / pi).
    sigma, truth = 0.05, 0.05 * np.sqrt(2 / np.pi)
    draw = np.random.default_rng(5)
    inside = 0
    for seed in range(60):
        perspective = draw.uniform(0.3, 0.7, size=200)
        compared = Compared(perspective + draw.normal(0, sigma, size=200), perspective, np.arange(200))
        low, high = measure("made", compared, unscored={}, seed=seed).mae_ci
        inside += low <= truth <= high
    assert 52 <= inside <= 60


def test_texts_of_one_prompt_are_resampled_together() -> None:
    compared = made(200)
    alone = measure("made", compared._replace(group=np.arange(200)), unscored={})
    # Every text twice, as a pair: nothing was learnt, and the interval must not shrink.
    twice = Compared(*(np.repeat(part, 2) for part in (*compared[:2], np.arange(200))))
    found = measure("made", twice, unscored={})
    assert found.mae_ci == pytest.approx(alone.mae_ci, abs=1e-12)
    assert found.auc_ci == pytest.approx(alone.auc_ci, abs=1e-12)
    apart = measure("made", twice._replace(group=np.arange(400)), unscored={})
    assert apart.mae_ci[1] - apart.mae_ci[0] < 0.85 * (found.mae_ci[1] - found.mae_ci[0])


def test_one_sided_texts_have_no_ranking() -> None:
    with pytest.raises(ValueError, match="both sides"):
        measure("made", Compared(np.array([0.1]), np.array([0.2]), np.array([0])), unscored={})
    assert np.isnan(area_under_curve(np.array([0.1, 0.2]), np.array([True, True])))


def test_the_cut_is_that_of_the_data_set() -> None:
    assert accuracy.TOXIC_FROM == 0.5
