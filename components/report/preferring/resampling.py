"""Bootstrap resamples as weights: no row is copied."""

from __future__ import annotations

import numpy as np

from components.report.clustered import Floats


def drawn_weights(n: int, resamples: int, rng: np.random.Generator) -> Floats:
    """(n, resamples): how often each of n things was drawn, n draws with replacement; every column sums to n."""
    drawn = rng.integers(0, n, size=(n, resamples)) * resamples + np.arange(resamples)
    return np.bincount(drawn.ravel(), minlength=n * resamples).reshape(n, resamples).astype(np.float64)
