"""Several looks at one growing run: the level of each look, so that all of them together err at alpha.

Looking again whenever more items are in finds something sooner or later: five looks at 5% find a gain that is not
there in 14%. Alpha spending (Lan and DeMets 1983) fixes how much of alpha may be used by the time a share of the
planned items is in, whatever the number of looks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from components.contracts.errors import UsageError
from components.report.clustered import Floats
from components.report.quantiles import t_cdf, t_quantile

NODES = 240
"""Gauss-Legendre nodes on the region where the run goes on; levels are exact to about 1e-8."""
FAR = 8.0
"""In standard deviations: beyond it nothing happens."""


def spent(fraction: float, alpha: float) -> float:
    """Two-sided alpha used by an information fraction t: 2 - 2 Phi(z_{alpha/4} / sqrt t) on either side.

    Lan and DeMets 1983's counterpart of O'Brien and Fleming's boundary: early looks spend next to nothing, so the last
    one is judged almost as if it were the only one.
    """
    if fraction >= 1:
        return alpha
    return 4 * t_cdf(-t_quantile(1 - alpha / 4, math.inf) / math.sqrt(fraction), math.inf)


def spending_levels(fractions: Sequence[float], alpha: float) -> list[float]:
    """Nominal two-sided level of each look, by numerical integration (Armitage, McPherson and Rowe 1969).

    Args:
        fractions: Growing shares of the planned items, above 0; the last may be below 1.
        alpha: What all looks may use together.

    Raises:
        UsageError: shares that do not grow, or are not above 0.
    """
    _check(fractions)
    levels: list[float] = []
    before = 0.0
    walk = _Walk()
    for fraction in (min(1.0, value) for value in fractions):
        target = spent(fraction, alpha) - before
        before = spent(fraction, alpha)
        boundary = walk.boundary(fraction, target)
        walk.go_on(fraction, boundary)
        levels.append(2 * t_cdf(-boundary, math.inf))
    return levels


def error_unspent(fractions: Sequence[float], alpha: float) -> float:
    """P that some of these looks errs when each is judged at alpha, as if it were the only one.

    Raises:
        UsageError: shares that do not grow, or are not above 0.
    """
    _check(fractions)
    walk, boundary, total = _Walk(), t_quantile(1 - alpha / 2, math.inf), 0.0
    for fraction in fractions:
        total += walk.crossing(fraction, boundary)
        walk.go_on(fraction, boundary)
    return total


class _Walk:
    """A Brownian motion that has not crossed any boundary so far, as a density on nodes."""

    def __init__(self) -> None:
        self.time = 0.0
        self.nodes: Floats = np.zeros(1)
        self.weights: Floats = np.ones(1)
        """Density times quadrature weight."""

    def crossing(self, time: float, boundary: float) -> float:
        """P of crossing +-boundary (of the standardised walk) at `time`, not having crossed before."""
        spread, limit = math.sqrt(time - self.time), boundary * math.sqrt(time)
        outside = special.ndtr((self.nodes - limit) / spread) + special.ndtr((-limit - self.nodes) / spread)
        return float(self.weights @ outside)

    def boundary(self, time: float, probability: float) -> float:
        """The boundary crossed with this probability."""
        low, high = 0.0, FAR
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.crossing(time, middle) > probability else (low, middle)
        return high

    def go_on(self, time: float, boundary: float) -> None:
        """Move to `time` with what has not crossed."""
        spread, limit = math.sqrt(time - self.time), min(boundary, FAR) * math.sqrt(time)
        at, weight = np.polynomial.legendre.leggauss(NODES)
        nodes = limit * at
        steps = np.exp(-0.5 * ((nodes[:, None] - self.nodes[None, :]) / spread) ** 2) / (
            spread * math.sqrt(2 * math.pi)
        )
        self.weights = np.asarray((steps @ self.weights) * weight * limit)
        self.time, self.nodes = time, nodes


def _check(fractions: Sequence[float]) -> None:
    grown = all(a < b for a, b in itertools.pairwise(fractions))
    if not fractions or fractions[0] <= 0 or not grown:
        raise UsageError(
            f"looks at {', '.join(f'{value:.0%}' for value in fractions) or 'nothing'} of the planned items",
            expected="shares that grow from look to look, above 0",
            remedy="give earlier looks in the order in which they were made, each with fewer items than the next",
        )
