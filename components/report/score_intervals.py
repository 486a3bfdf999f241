"""Score tests and intervals of paired right-or-wrong answers, which hold their level with few items.

A change D of items that are right or wrong is a contrast of a multinomial. Wald's interval takes the variance at the
estimate and fails where hardly any item changes; a score test takes it at the value that is tested, from the most
likely multinomial with that value. For one difference this is Tango's interval (Tango 1998, Statistics in Medicine 17,
891-908); at D = 0 its statistic is McNemar's. The same for D - theta G = 0 with three models gives an interval of the
gap closed. `docs/method-proof.md` compares it with its rivals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from components.report.clustered import Floats
from components.report.quantiles import t_cdf, t_quantile

Bounds = tuple[float, float]
STEPS = 60
TOLERANCE = 1e-12
FARTHEST = 1e6
"""Of a ratio: no bound beyond is looked for."""


class Pairs(NamedTuple):
    """Items of two models by how they were answered."""

    n: int
    """All."""
    gained: int
    """Wrong before, right after."""
    lost: int
    """Right before, wrong after."""

    @classmethod
    def of(cls, before: Floats, after: Floats) -> Pairs:
        """Counts of (n,) zeros and ones."""
        return cls(len(before), int(np.sum(after > before)), int(np.sum(after < before)))

    def standing(self, value: float) -> float:
        """Score statistic of a difference of `value`: standard errors that the estimate lies above it."""
        excess = self.gained - self.lost - self.n * value
        if abs(excess) <= 1e-12 * self.n:
            return 0.0
        # Tango's equations 18 to 21: the share of lost items, most likely where the difference is `value`.
        linear = -self.gained - self.lost + (2 * self.n - self.gained + self.lost) * value
        root = math.sqrt(max(0.0, linear**2 + 8 * self.n * self.lost * value * (1 - value)))
        variance = self.n * ((root - linear) / (2 * self.n) + value * (1 - value))
        return excess / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, excess)

    def interval(self, alpha: float) -> Bounds:
        """Tango's interval of the difference at 1 - alpha."""
        return _interval(self, alpha)

    def p_greater(self, value: float) -> float:
        """One-sided p against a difference of at most `value`."""
        return t_cdf(-self.standing(value), math.inf)

    def p_less(self, value: float) -> float:
        """One-sided p against a difference of at least `value`."""
        return t_cdf(self.standing(value), math.inf)


class Triples(NamedTuple):
    """Items of base, imitator and target by how they were answered."""

    counts: tuple[int, ...]
    """(8,): item count at 4 x base + 2 x imitator + target."""

    @classmethod
    def of(cls, answers: Floats) -> Triples:
        """Counts of (n, 3) zeros and ones: base, imitator, target."""
        return cls(tuple(np.bincount((answers @ [4, 2, 1]).astype(int), minlength=8).tolist()))

    @property
    def gap(self) -> Pairs:
        """Base against target."""
        return self._pairs(4, 1)

    def _pairs(self, before: int, after: int) -> Pairs:
        gained = sum(count for cell, count in enumerate(self.counts) if cell & after and not cell & before)
        lost = sum(count for cell, count in enumerate(self.counts) if cell & before and not cell & after)
        return Pairs(sum(self.counts), gained, lost)

    def standing(self, ratio: float) -> float:
        """Score statistic of D - ratio x G = 0."""
        weights = []
        for cell in range(8):
            base, imitator, target = cell >> 2 & 1, cell >> 1 & 1, cell & 1
            weights.append(imitator - base - ratio * (target - base))
        return _standing(self.counts, weights)

    def ratio_interval(self, alpha: float) -> Bounds | None:
        """Confidence set of D / G; None where it is no bounded interval, which is where G may be 0."""
        z, gap = t_quantile(1 - alpha / 2, math.inf), self.gap
        if gap.interval(alpha)[0] <= 0:
            return None
        imitator = self._pairs(4, 2)
        point = (imitator.gained - imitator.lost) / (gap.gained - gap.lost)
        low = _reach(lambda ratio: z - self.standing(ratio), point, -1.0)
        high = _reach(lambda ratio: z + self.standing(ratio), point, 1.0)
        return None if low is None or high is None else (low, high)


@lru_cache(4096)
def _interval(pairs: Pairs, alpha: float) -> Bounds:
    point, z = (pairs.gained - pairs.lost) / pairs.n, t_quantile(1 - alpha / 2, math.inf)
    return (
        _crossing(lambda value: z - pairs.standing(value), point, -1.0),
        _crossing(lambda value: z + pairs.standing(value), point, 1.0),
    )


def _standing(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Mean weight over its standard error, at the most likely multinomial whose mean weight is 0.

    That one has p_k = n_k / n / (1 + t w_k), with t such that sum p_k w_k = 0 (Lagrange; Owen 2001, section 2.9). Where
    t would make 1 + t w_k negative for an empty cell, t stops at 0 of it and the cell takes what is missing.
    """
    n = sum(counts)
    total = sum(count * weight for count, weight in zip(counts, weights, strict=True))
    if abs(total) <= 1e-12 * n:
        return 0.0
    largest, smallest = max(weights), min(weights)
    if largest <= 0 or smallest >= 0:
        return math.copysign(math.inf, total)  # no multinomial has this mean
    cells = [(count / n, weight) for count, weight in zip(counts, weights, strict=True) if count and weight]
    t, share = _multiplier(cells, -1 / largest, -1 / smallest)
    variance = sum(p * w * w / (1 + t * w) for p, w in cells) + share * (largest if t < 0 else smallest) ** 2
    return total / n / math.sqrt(variance / n)


def _multiplier(cells: Sequence[tuple[float, float]], low: float, high: float) -> tuple[float, float]:
    """t between the bounds, and the share that an empty cell takes: 0 where sum p w / (1 + t w) = 0 has a root."""

    def mean(t: float) -> float:
        return sum(p * w / (1 + t * w) for p, w in cells)

    for bound, sign in ((low, 1.0), (high, -1.0)):
        open_end = all(abs(1 + bound * w) > 1e-12 for _, w in cells)
        if open_end and sign * mean(bound) <= 0:
            zero = 1 - sum(p for p, _ in cells)  # items of weight 0
            return bound, 1 - zero - sum(p / (1 + bound * w) for p, w in cells)
    t = 0.0
    for _ in range(STEPS):  # Newton's steps where they stay between the bounds, halves elsewhere
        value = mean(t)
        low, high = (t, high) if value > 0 else (low, t)
        step = t + value / sum(p * (w / (1 + t * w)) ** 2 for p, w in cells)
        step = step if low < step < high else (low + high) / 2
        if abs(step - t) <= TOLERANCE * (1 + abs(t)):
            return step, 0.0
        t = step
    return t, 0.0


def _crossing(margin: Callable[[float], float], point: float, end: float) -> float:
    """Where `margin` falls to 0 between a point and an end; the end where it does not (Illinois' regula falsi)."""
    inner, outer, side = margin(point), margin(end), 0
    if outer >= 0:
        return end
    for _ in range(STEPS):
        ahead = (point * outer - end * inner) / (outer - inner) if math.isfinite(outer) else (point + end) / 2
        value = margin(ahead)
        if abs(value) <= TOLERANCE or abs(end - point) <= TOLERANCE:
            return ahead
        if value > 0:
            point, inner, outer, side = ahead, value, outer / 2 if side > 0 else outer, 1
        else:
            end, outer, inner, side = ahead, value, inner / 2 if side < 0 else inner, -1
    return ahead


def _reach(margin: Callable[[float], float], point: float, step: float) -> float | None:
    """The same without an end: steps grow until one is outside."""
    while margin(point + step) >= 0:
        step *= 2
        if abs(step) > FARTHEST:
            return None
    return _crossing(margin, point, point + step)
