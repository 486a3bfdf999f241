"""Tests of one benchmark's change, their multiplicity, and what they could have seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from components.report.quantiles import POWER, t_cdf, t_quantile


def statistic(effect: float, variance: float) -> float:
    """effect / standard error; 0/0 = 0, so that a change that cannot be told from none is none."""
    if variance > 0:
        return effect / math.sqrt(variance)
    return math.copysign(math.inf, effect) if effect else 0.0


def p_two_sided(effect: float, variance: float, df: float) -> float:
    """P of so large an effect in either direction when there is none."""
    return min(1.0, 2 * t_cdf(-abs(statistic(effect, variance)), df))


def p_greater(effect: float, variance: float, df: float) -> float:
    """One-sided p against effect <= 0."""
    return t_cdf(-statistic(effect, variance), df)


def p_less(effect: float, variance: float, df: float) -> float:
    """One-sided p against effect >= 0."""
    return t_cdf(statistic(effect, variance), df)


def mcnemar_exact(gained: int, lost: int) -> float:
    """Exact two-sided McNemar p of paired 0/1 scores: the sign test on discordant items (McNemar 1947).

    Args:
        gained: Items wrong before and right after.
        lost: Items right before and wrong after.
    """
    discordant = gained + lost
    if discordant == 0:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(gained, lost), discordant, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values (Holm 1979), in the order given."""
    count = len(p_values)
    adjusted = [1.0] * count
    highest = 0.0
    for rank, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def detectable(variance: float, df: float, alpha: float) -> float:
    """Smallest change found with 80% power by a two-sided test at alpha: (t_{1-alpha/2} + t_{0.8}) x standard error."""
    return (t_quantile(1 - alpha / 2, df) + t_quantile(POWER, df)) * math.sqrt(variance)
