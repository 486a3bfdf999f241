"""The calibration is isotonic regression on means, never falls, and a text has no part in its own held-out value."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from components.benchmark.toxicity.calibration import Calibration, cross_fit, fit


def made(number: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    raw = draw.normal(size=number)
    return raw, np.clip(1 / (1 + np.exp(-2 * raw)) + draw.normal(0, 0.1, size=number), 0, 1)


def test_it_follows_isotonic_regression_on_single_texts() -> None:
    raw, score = made()
    reference = IsotonicRegression(out_of_bounds="clip").fit(raw, score)
    inner = np.linspace(-1.5, 1.5, 50)
    assert np.abs(fit(raw, score)(inner) - reference.predict(inner)).max() < 0.04


def test_it_never_falls_even_where_the_scores_do() -> None:
    raw = np.linspace(0, 1, 1_000)
    found = fit(raw, np.sin(6 * raw) / 2 + 0.5)
    assert (np.diff(found(raw)) >= 0).all()
    assert (np.diff(found.raw) > 0).all()


def test_a_distorted_scale_is_set_right() -> None:
    raw, score = made()
    squeezed = 1 / (1 + np.exp(-0.5 * raw - 2))
    value = fit(squeezed, score)(squeezed)
    assert abs(np.mean(value - score)) < 0.005
    assert np.mean(np.abs(value - score)) < np.mean(np.abs(squeezed - score)) / 2


def test_a_text_has_no_part_in_its_own_value() -> None:
    raw, score = made(500)
    folds = np.arange(500) % 5
    before = cross_fit(raw, score, folds)
    changed = score.copy()
    changed[folds == 2] = 1 - changed[folds == 2]
    after = cross_fit(raw, changed, folds)
    assert (after[folds == 2] == before[folds == 2]).all()
    assert (after[folds != 2] != before[folds != 2]).any()


def test_a_classifier_that_says_the_same_of_all_is_refused() -> None:
    with pytest.raises(ValueError, match="knots"):
        fit(np.zeros(100), np.linspace(0, 1, 100))


@pytest.mark.parametrize(
    ("raw", "score"),
    [
        ((0.0, 0.0), (0.1, 0.2)),
        ((0.0, 1.0), (0.2, 0.1)),
        ((0.0, 1.0), (0.2, 1.1)),
        ((0.0, float("nan")), (0.1, 0.2)),
        ((0.0, 1.0), (0.1, float("nan"))),
        ((0.0, 1.0), (0.1,)),
        ((), ()),
    ],
)
def test_knots_that_do_not_rise_are_refused(raw: tuple[float, ...], score: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="knots"):
        Calibration(raw, score)
