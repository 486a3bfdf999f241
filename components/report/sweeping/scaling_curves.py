"""Curves that level off, fitted by least squares to many resampled sweeps at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from components.report.clustered import Floats

LEAST_EXPONENT = 0.075
"""Slowest levelling-off that is thought possible. Without such a bound every rising curve may reach everything: a power
law of exponent near 0 is a straight line in log(amount). Of language-model loss, Kaplan et al. 2020 report 0.076 in
parameters and 0.095 in data; Hoffmann et al. 2022, with an asymptote, 0.34 and 0.28."""
MOST_EXPONENT = 4.0
NUM_EXPONENTS = 60
"""Exponents that a resampled curve is tried with; the measured one is tried with FINER times as many."""
FINER = 4


@dataclass(frozen=True)
class Curves:
    """Least-squares saturating curves, the measured one first."""

    asymptote: Floats
    """(r,)"""
    distance: Floats
    """(r,) asymptote - value at the largest amount."""
    exponent: Floats
    """(r,)"""
    rms: Floats
    """(r,) root mean square of what the curve leaves."""

    @property
    def columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Asymptotes, distances, exponents, residuals."""
        return self.asymptote, self.distance, self.exponent, self.rms

    @classmethod
    def joined(cls, first: Curves, second: Curves) -> Curves:
        """One set after the other."""
        return cls(*map(np.concatenate, zip(first.columns, second.columns, strict=True)))

    def factor(self, goals: Floats) -> Floats:
        """(r,) needed amount / largest amount; inf where the asymptote does not reach the goal.

        goal = A - d u^-c gives u = (d / (A - goal))^(1/c). A curve that does not rise (d <= 0) is above its goal, or
        never will be.
        """
        room = self.asymptote - goals
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = (self.distance / room) ** (1 / self.exponent)
        # Where the curve falls towards its asymptote the largest amount is above all that is to come.
        found = np.where(self.distance > 0, found, np.where(room - self.distance >= 0, 1.0, math.inf))
        return np.where((self.distance > 0) & (room <= 0), math.inf, found)


def saturating_curves(amounts: Floats, means: Floats, least_exponent: float, num_exponents: int) -> Curves:
    """score = A - d u^-c, u = amount / largest, by least squares with A on [0, 1] and c from a grid.

    Given c the curve is linear in A and d; where A leaves [0, 1] it is put on the border and d fitted again.

    Args:
        amounts: (k,)
        means: (r, k)
        least_exponent: Smallest c.
        num_exponents: Exponents in the grid.
    """
    u = amounts / amounts[-1]
    best = Curves(*np.full((4, len(means)), math.inf))
    for exponent in np.geomspace(least_exponent, max(MOST_EXPONENT, 2 * least_exponent), num_exponents):
        fall = u**-exponent
        centred = fall - fall.mean()
        distance = -(means @ centred) / (centred @ centred)
        asymptote = means.mean(axis=1) + distance * fall.mean()
        held = np.clip(asymptote, 0.0, 1.0)
        distance = np.where(held == asymptote, distance, ((held[:, None] - means) @ fall) / (fall @ fall))
        rms = np.sqrt(np.mean((means - held[:, None] + distance[:, None] * fall) ** 2, axis=1))
        # Equal fits (a flat curve, three amounts): the first, slowest one stays, which promises the least.
        better = rms < best.rms - 1e-12
        new = (held, distance, np.full(len(means), exponent), rms)
        best = Curves(*(np.where(better, a, b) for a, b in zip(new, best.columns, strict=True)))
    return best
