"""Student's t with possibly infinite degrees of freedom. scipy.special imports in a tenth of scipy.stats' time."""

from __future__ import annotations

import math

from scipy import special

POWER = 0.8
"""Power at which detectable effects and needed sizes are stated."""


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t; the normal's at df = inf."""
    return float(special.ndtri(probability) if math.isinf(df) else special.stdtrit(df, probability))


def t_cdf(value: float, df: float) -> float:
    """Distribution function of Student's t; the normal's at df = inf."""
    return float(special.ndtr(value) if math.isinf(df) else special.stdtr(df, value))


def wilson(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Wilson's score interval of a share at 1 - alpha (Wilson 1927)."""
    z = t_quantile(1 - alpha / 2, math.inf)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(successes: float, n: int, alpha: float) -> tuple[float, float]:
    """Exact interval of a share at 1 - alpha (Clopper and Pearson 1934): quantiles of beta distributions.

    Half successes are ties; the shares' lower bound is then too high in no more than alpha / 2 all the same.
    """
    low = 0.0 if successes <= 0 else float(special.betaincinv(successes, n - successes + 1, alpha / 2))
    high = 1.0 if successes >= n else float(special.betaincinv(successes + 1, n - successes, 1 - alpha / 2))
    return low, high
