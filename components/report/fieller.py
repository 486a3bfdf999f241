"""Gap closed g = D / G: Fieller's interval for one benchmark and for pooled sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from components.report.quantiles import t_quantile
from components.report.score_intervals import Triples

Bounds = tuple[float, float]


class Contrasts(NamedTuple):
    """D = imitator - base and G = target - base with their joint covariance."""

    delta: float
    """D, difference of mean scores."""
    gap: float
    """G, difference of mean scores."""
    var_delta: float
    """Variance of D."""
    var_gap: float
    """Variance of G."""
    covariance: float
    """Cov(D, G)."""
    df: float
    """Degrees of freedom of the variances; inf when known."""
    triples: Triples | None = None
    """The items themselves, where they are right or wrong and independent: score intervals then go before Fieller's."""


def confidence(value: float, variance: float, df: float, alpha: float) -> Bounds:
    """Two-sided t interval of an estimate at 1 - alpha; infinite where the variance is unknown."""
    if not variance >= 0 or df <= 0:
        return -math.inf, math.inf
    half = t_quantile(1 - alpha / 2, df) * math.sqrt(variance)
    return value - half, value + half


def gap_interval(c: Contrasts, alpha: float) -> Bounds:
    """Interval of G. The gap is *measurable* when its lower bound is above 0: a negative G flips the sign of g."""
    if c.triples is not None and c.df > 0:
        return c.triples.gap.interval(alpha)
    return confidence(c.gap, c.var_gap, c.df, alpha)


def is_measurable(c: Contrasts, alpha: float) -> bool:
    """Whether D / G may be printed."""
    return gap_interval(c, alpha)[0] > 0


def fieller(c: Contrasts, alpha: float) -> Bounds | None:
    """Confidence set of D / G, None where it is not a bounded interval (Fieller 1954).

    All theta with (D - theta G)^2 <= t^2 (Var D - 2 theta Cov + theta^2 Var G). It is an interval exactly when G
    differs from 0 at the same level, so a measurable gap always has one.
    """
    if c.df <= 0 or math.isnan(c.var_gap):
        return None
    if c.triples is not None:
        return c.triples.ratio_interval(alpha)
    t2 = t_quantile(1 - alpha / 2, c.df) ** 2
    a = c.gap**2 - t2 * c.var_gap
    if a <= 0:
        return None
    b = c.delta * c.gap - t2 * c.covariance
    constant = c.delta**2 - t2 * c.var_delta
    root = math.sqrt(max(0.0, b * b - a * constant))
    return (b - root) / a, (b + root) / a


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent variance estimates, (sum V)^2 / sum(V^2 / df) (Satterthwaite 1946).

    Args:
        parts: (variance, df) of each term; df may be inf.
    """
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / df for variance, df in parts if df > 0)
    if any(df <= 0 for _, df in parts):
        return 0.0
    return total**2 / spread if spread > 0 else math.inf


def pool(members: Sequence[Contrasts]) -> Contrasts:
    """Sums of D and of G over independent benchmarks.

    Degrees of freedom are the smaller of Satterthwaite's for the two sums, so that the pooled gap and the pooled ratio
    are judged with one and the same t.
    """
    if len(members) == 1:
        return members[0]
    return Contrasts(
        delta=sum(c.delta for c in members),
        gap=sum(c.gap for c in members),
        var_delta=sum(c.var_delta for c in members),
        var_gap=sum(c.var_gap for c in members),
        covariance=sum(c.covariance for c in members),
        df=min(
            satterthwaite([(c.var_delta, c.df) for c in members]), satterthwaite([(c.var_gap, c.df) for c in members])
        ),
    )
