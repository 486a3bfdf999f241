"""From a classifier's own number to the score Perspective would give: a rising broken line through a few knots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_KNOTS = 40
DECIMALS = 6


@dataclass(frozen=True)
class Calibration:
    """A monotone map, linear between its knots and level beyond them."""

    raw: tuple[float, ...]
    """What the classifier says, rising."""
    score: tuple[float, ...]
    """The mean Perspective score there, never falling, in [0, 1]."""

    def __post_init__(self) -> None:
        x, y = np.asarray(self.raw, dtype=float), np.asarray(self.score, dtype=float)
        sound = len(x) == len(y) >= 2 and np.isfinite(x).all() and (np.diff(x) > 0).all() and (np.diff(y) >= 0).all()
        if not (sound and y[0] >= 0.0 and y[-1] <= 1.0):
            raise ValueError("calibration: knots must rise, and their scores lie between 0 and 1")

    def __call__(self, raw: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated scores; NaN stays NaN."""
        return np.asarray(np.interp(np.asarray(raw, dtype=float), self.raw, self.score), dtype=float)


def fit(raw: NDArray[np.floating], score: NDArray[np.floating], knots: int = NUM_KNOTS) -> Calibration:
    """Isotonic regression (Ayer et al. 1955) over the means of equal shares of the texts.

    Means first: the broken line then has few, wide steps, and does not follow single texts.

    Args:
        raw: What the classifier says of each text, [texts].
        score: What Perspective says of it, in [0, 1], [texts].
        knots: At most so many.

    Raises:
        ValueError: the classifier says the same of all texts.
    """
    from sklearn.isotonic import isotonic_regression

    raw, score = np.asarray(raw, dtype=float), np.asarray(score, dtype=float)
    edges = np.unique(np.quantile(raw, np.linspace(0.0, 1.0, knots + 1)))
    places = np.clip(np.searchsorted(edges, raw, side="right") - 1, 0, max(len(edges) - 2, 0))
    sizes = np.bincount(places)
    kept = sizes > 0
    sizes = sizes[kept]
    x = np.round(np.bincount(places, raw)[kept] / sizes, DECIMALS)
    y = np.round(isotonic_regression(np.bincount(places, score)[kept] / sizes, sample_weight=sizes), DECIMALS)
    keep = np.concatenate([[True], np.diff(x) > 0])
    return Calibration(tuple(x[keep].tolist()), tuple(y[keep].tolist()))


def cross_fit(
    raw: NDArray[np.floating], score: NDArray[np.floating], folds: NDArray[np.intp], knots: int = NUM_KNOTS
) -> NDArray[np.float64]:
    """Calibrated scores, each fold by the calibration of the other folds: no text has a part in its own value.

    Args:
        raw: What the classifier says of each text, [texts].
        score: What Perspective says of it, [texts].
        folds: Number of each text's fold, [texts].
        knots: At most so many for each calibration.
    """
    value = np.zeros(len(raw))
    for fold in np.unique(folds):
        outside = folds != fold
        value[~outside] = fit(raw[outside], score[outside], knots)(raw[~outside])
    return value
