"""Intervals of a change side by side: exact coverage over a range of truths, by enumeration of all outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from components.report.clustered import Floats
from components.report.quantiles import t_quantile, wilson
from components.report.score_intervals import Pairs
from pipelines.validity.drawing import LOADINGS

ITEMS = (10, 30, 100)
GAPS = ((0.47, 0.70), (0.20, 0.31), (0.16, 0.48), (0.30, 0.60))
"""Accuracies of base and target."""
CLOSED = tuple(round(0.1 * step, 1) for step in range(-3, 11))
ALPHA = 0.05
Z = t_quantile(1 - ALPHA / 2, math.inf)


@dataclass(frozen=True)
class Coverage:
    """One interval at one number of items."""

    interval: str
    n: int
    mean: float
    """Over the truths."""
    least: float
    most: float
    no_gain: float
    """Where nothing was gained, mean over the bases."""


def coverages(items: Sequence[int] = ITEMS) -> list[Coverage]:
    """Every interval at every number of items."""
    return [_coverage(name, holds, n) for n in items for name, holds in INTERVALS.items()]


def _coverage(name: str, holds: Callable[[int, int, int, float, float], bool], n: int) -> Coverage:
    found, none = [], []
    for base, target in GAPS:
        for closed in CLOSED:
            after = base + closed * (target - base)
            lost, gained = _discordant(base, after)
            held = 0.0
            for g, b, weight in _outcomes(n, gained, lost):
                if holds(n, g, b, gained - lost, base):
                    held += weight
            found.append(held)
            if closed == 0:
                none.append(held)
    return Coverage(name, n, float(np.mean(found)), min(found), max(found), float(np.mean(none)))


def _discordant(before: float, after: float) -> tuple[float, float]:
    """Shares of items lost and gained where difficulty decides as it does for base and imitator."""
    at, weight = np.polynomial.hermite_e.hermegauss(80)
    loading = LOADINGS["base"]
    right: list[Floats] = [
        special.ndtr((special.ndtri(share) - loading * at) / math.sqrt(1 - loading**2)) for share in (before, after)
    ]
    both = float((weight * right[0] * right[1]).sum() / weight.sum())
    return before - both, after - both


def _outcomes(n: int, gained: float, lost: float) -> list[tuple[int, int, float]]:
    """Gained, lost and their probability; what is rarer than 1e-9 is left out."""
    g, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    rest = n - g - b
    logs = special.gammaln(n + 1) - special.gammaln(g + 1) - special.gammaln(b + 1)
    logs = logs - special.gammaln(np.maximum(rest, 0) + 1)
    logs = logs + special.xlogy(g, gained) + special.xlogy(b, lost)
    logs = logs + special.xlogy(np.maximum(rest, 0), 1 - gained - lost)
    weights = np.where(rest >= 0, np.exp(logs), 0.0)
    return [(int(i), int(j), float(weights[i, j])) for i, j in np.argwhere(weights > 1e-9)]


def _score(n: int, gained: int, lost: int, truth: float, _: float) -> bool:
    return abs(Pairs(n, gained, lost).standing(truth)) <= Z


def _wald(added: float) -> Callable[[int, int, int, float, float], bool]:
    def holds(n: int, gained: int, lost: int, truth: float, _: float) -> bool:
        change = (gained - lost) / n
        variance = ((gained + lost) / n - change**2) / (n - 1) + added / n**2
        return abs(change - truth) <= t_quantile(1 - ALPHA / 2, n - 1) * math.sqrt(max(0.0, variance)) + 1e-12

    return holds


def _agresti_min(n: int, gained: int, lost: int, truth: float, _: float) -> bool:
    """Half an item added to each of the four cells (Agresti and Min 2005)."""
    change = (gained - lost) / (n + 2)
    variance = (gained + lost + 1 - (gained - lost) ** 2 / (n + 2)) / (n + 2) ** 2
    return abs(change - truth) <= Z * math.sqrt(variance)


def _newcombe(n: int, gained: int, lost: int, truth: float, base: float) -> bool:
    """Wilson's intervals of both shares, squared and added with their correlation (Newcombe 1998, method 10).

    It needs the unchanged items that were right, which are taken at the base's share.
    """
    both = min(n - gained - lost, max(0, round(n * base) - lost))
    neither = n - gained - lost - both
    before, after = (both + lost) / n, (both + gained) / n
    (low, high), (low2, high2) = wilson(both + lost, n, ALPHA), wilson(both + gained, n, ALPHA)
    margins = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    excess = both * neither - gained * lost
    phi = 0.0 if margins == 0 else (max(excess - n / 2, 0.0) if excess > 0 else excess) / math.sqrt(margins)
    down = (after - low2) ** 2 - 2 * phi * (after - low2) * (high - before) + (high - before) ** 2
    up = (high2 - after) ** 2 - 2 * phi * (high2 - after) * (before - low) + (before - low) ** 2
    change = after - before
    return change - math.sqrt(max(0.0, down)) <= truth <= change + math.sqrt(max(0.0, up))


INTERVALS: Mapping[str, Callable[[int, int, int, float, float], bool]] = {
    "score (Tango), in use": _score,
    "Wald with t and 1/n^2, in use before": _wald(1.0),
    "Wald with t": _wald(0.0),
    "Agresti-Min": _agresti_min,
    "Newcombe's method 10": _newcombe,
}
