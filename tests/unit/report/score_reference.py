"""Tango's interval as his paper prints it, with a general root finder: the reference of our score intervals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats


def tango_standing(n: int, gained: int, lost: int, difference: float) -> float:
    """Tango 1998, equations 18 to 21: the score statistic with the restricted estimate in closed form."""
    a = 2 * n
    b = -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    rare = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * rare + difference * (1 - difference))
    return (gained - lost - n * difference) / math.sqrt(variance) if variance > 0 else 0.0


def tango(differences: npt.NDArray[np.float64], alpha: float = 0.05) -> tuple[float, float]:
    """Interval of the mean of differences that are -1, 0 or 1."""
    n, gained, lost = len(differences), int((differences > 0).sum()), int((differences < 0).sum())
    z, point = stats.norm.isf(alpha / 2), float(differences.mean())
    ends = []
    for sign, edge in ((1, -1 + 1e-9), (-1, 1 - 1e-9)):

        def left(value: float, sign: int = sign) -> float:
            return tango_standing(n, gained, lost, value) - sign * z

        ends.append(optimize.brentq(left, edge, point, xtol=1e-13))
    return ends[0], ends[1]
