"""What would it take: mean scores over amounts of data or sizes of a base, extrapolated with intervals.

    from components.report.sweeping.scaling_fit import Sweep, fit
    sweep = Sweep.of_items([1e6, 4e6, 16e6], values, clusters, goal=target_values)    # values (n, 3), goal (n,)
    found = fit(sweep, unit="tokens", goal_name="the target")
    found.slope.per_doubling, found.needed, found.sentence

Intervals come from resampling clusters of items, the same for every amount and the goal, because all models answered
the same items (method section 5). They hold for these checkpoints: training another time is no part of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special

from components.contracts.errors import TouchstoneError
from components.contracts.scaling_results import Answer, Needed, Saturation, ScalingFit, ScalingPoint, Slope
from components.report.clustered import FEW_CLUSTERS, Codes, Floats, clustered_means
from components.report.quantiles import t_quantile
from components.report.sweeping.scaling_curves import FINER, LEAST_EXPONENT, NUM_EXPONENTS, Curves, saturating_curves
from components.report.sweeping.scaling_words import remarks, sentence

CHUNK = 1 << 22
"""Weights drawn at a time, about 32 MB."""


@dataclass(frozen=True)
class Sweep:
    """Measured means over growing amounts, and what is known of their joint spread."""

    amounts: Floats
    """(k,) growing, above 0."""
    means: Floats
    """(k,) mean scores."""
    covariance: Floats
    """(k, k) of the means."""
    goal: float | None
    """Score to be reached; None = only describe."""
    values: Floats | None = None
    """(n, k) or, with a goal, (n, k + 1): item scores, the goal's last. None for printed means."""
    clusters: Codes | None = None
    """(n,) of items that belong together."""
    goal_variance: float = 0.0
    """Of a printed goal."""

    @classmethod
    def of_items(
        cls, amounts: Sequence[float], values: Floats, clusters: Codes, *, goal: Floats | float | None = None
    ) -> Self:
        """From item scores of all models on the same items, joined by id; items that one of them lacks are left out.

        Args:
            amounts: (k,) in any order.
            values: (n, k) scores on [0, 1]; NaN = unscored.
            clusters: (n,) labels; equal labels = dependent items.
            goal: (n,) scores of the model to be reached on the same items, or a fixed score.

        Raises:
            TouchstoneError: fewer than two different amounts, an amount not above 0, or fewer than two clusters.
        """
        order = _order(amounts)
        columns = values[:, order]
        if isinstance(goal, np.ndarray):
            columns = np.column_stack([columns, goal])
        kept = ~np.isnan(columns).any(axis=1)
        columns, clusters = columns[kept], clusters[kept]
        if len(np.unique(clusters)) < 2:
            raise TouchstoneError(
                f"{len(columns)} items of one cluster have scores at every amount",
                expected="items of at least two clusters, scored by every model",
                remedy="score the same items for every model",
            )
        joint, k = clustered_means(columns, clusters), len(order)
        level = float(joint.means[k]) if isinstance(goal, np.ndarray) else goal
        grown = np.asarray(amounts, dtype=np.float64)[order]
        return cls(grown, joint.means[:k], joint.covariance[:k, :k], level, columns, clusters)

    @classmethod
    def of_means(
        cls,
        amounts: Sequence[float],
        means: Floats,
        covariance: Floats,
        *,
        goal: float | None = None,
        goal_variance: float = 0.0,
    ) -> Self:
        """From printed means, whose items are not at hand.

        Args:
            amounts: (k,) in any order.
            means: (k,) mean scores on [0, 1].
            covariance: (k, k) of the means; diagonal where nothing is known of their items.
            goal: Score to be reached.
            goal_variance: Variance of the goal, independent of the means.

        Raises:
            TouchstoneError: fewer than two different amounts, or an amount not above 0.
        """
        order = _order(amounts)
        grown = np.asarray(amounts, dtype=np.float64)[order]
        return cls(grown, means[order], covariance[np.ix_(order, order)], goal, goal_variance=goal_variance)

    def draws(self, resamples: int, rng: np.random.Generator, alpha: float) -> tuple[Floats, Floats]:
        """Resampled means (resamples, k) and goals (resamples,), NaN without a goal.

        Resampling C clusters is as if their spread were known: its percentile intervals are short by
        sqrt((C - 1)/C) z/t. Deviations are stretched by the inverse (Hesterberg 2015, section 3.2).
        """
        k = len(self.amounts)
        if self.values is None or self.clusters is None:
            means = rng.multivariate_normal(self.means, self.covariance, size=resamples, method="eigh")
            spread = math.sqrt(self.goal_variance) * rng.standard_normal(resamples)
            return means, spread + (math.nan if self.goal is None else self.goal)
        count = len(np.unique(self.clusters))
        stretch = t_quantile(1 - alpha / 2, count - 1) / t_quantile(1 - alpha / 2, math.inf)
        centre = self.values.mean(axis=0)
        moved = _resampled(self.values, self.clusters, resamples, rng) - centre
        means = centre + math.sqrt(count / (count - 1)) * stretch * moved
        if means.shape[1] > k:
            return means[:, :k], means[:, k]
        return means, np.full(resamples, math.nan if self.goal is None else self.goal)


def fit(
    sweep: Sweep,
    *,
    unit: str = "tokens",
    goal_name: str = "the target",
    alpha: float = 0.05,
    least_exponent: float = LEAST_EXPONENT,
    resamples: int = 2000,
    seed: int = 0,
) -> ScalingFit:
    """Slope per doubling, saturating curve, and the amount that would reach the goal.

    Args:
        sweep: What was measured.
        unit: What is counted, in the plural.
        goal_name: What the goal is, for sentences.
        alpha: Intervals are two-sided at 1 - alpha.
        least_exponent: See `scaling_curves.LEAST_EXPONENT`.
        resamples: Of the clusters of items.
        seed: Of the resampling.
    """
    drawn, goals = sweep.draws(resamples, np.random.default_rng(seed), alpha)
    points = tuple(
        ScalingPoint(amount=float(x), value=float(m), ci=_interval(column, alpha))
        for x, m, column in zip(sweep.amounts, sweep.means, drawn.T, strict=True)
    )
    slope = _slope(sweep, drawn, alpha)
    saturation, needed = None, None
    if len(sweep.amounts) >= 3:
        measured = saturating_curves(sweep.amounts, sweep.means[None], least_exponent, FINER * NUM_EXPONENTS)
        others = saturating_curves(sweep.amounts, drawn, least_exponent, NUM_EXPONENTS)
        curves = Curves.joined(measured, others)
        saturation = _saturation(sweep, curves, alpha)
        if sweep.goal is not None:
            reached = _interval(drawn[:, -1] - goals, alpha)[0] >= 0
            needed = _needed(sweep, curves, goals, slope.per_doubling, alpha, reached=reached)
    found = ScalingFit(
        unit=unit,
        points=points,
        n=None if sweep.values is None else len(sweep.values),
        num_clusters=None if sweep.clusters is None else len(np.unique(sweep.clusters)),
        doublings=float(np.log2(sweep.amounts[-1] / sweep.amounts[0])),
        slope=slope,
        saturation=saturation,
        goal=sweep.goal,
        goal_name=goal_name,
        needed=needed,
        least_exponent=least_exponent,
        sentence="",
    )
    return found.model_copy(update={"remarks": remarks(found, FEW_CLUSTERS), "sentence": sentence(found)})


def _order(amounts: Sequence[float]) -> list[int]:
    given = np.asarray(amounts, dtype=np.float64)
    if len(set(amounts)) < 2 or len(set(amounts)) < len(amounts) or not (np.isfinite(given) & (given > 0)).all():
        raise TouchstoneError(
            f"amounts {', '.join(f'{amount:g}' for amount in amounts) or 'missing'}",
            expected="at least two different amounts above 0; no amount is the base itself, on no logarithmic axis",
            remedy="give each amount once, and leave the base out",
        )
    return [int(i) for i in np.argsort(given)]


def _resampled(values: Floats, clusters: Codes, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, k) means over clusters drawn with replacement."""
    _, index, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    count = len(sizes)
    sums = np.stack([np.bincount(index, weights=column, minlength=count) for column in values.T], axis=1)
    step, found = max(1, CHUNK // count), []
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        picks = rng.integers(0, count, size=(rows, count)) + count * np.arange(rows)[:, None]
        weights = np.bincount(picks.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)
        found.append((weights @ sums) / (weights @ sizes)[:, None])
    return np.concatenate(found)


def _interval(draws: Floats, alpha: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _slope(sweep: Sweep, drawn: Floats, alpha: float) -> Slope:
    """Ordinary least squares on log2(amount); lack of fit r' (M S M)^+ r ~ chi2(k - 2), M what the line leaves."""
    x = np.log2(sweep.amounts)
    centred = x - x.mean()
    weights = centred / (centred @ centred)
    count, missing = len(x), None
    if count > 2 and np.linalg.matrix_rank(sweep.covariance) == count:
        design = np.column_stack([np.ones(count), centred])
        left = np.eye(count) - design @ np.linalg.pinv(design)
        residual = left @ sweep.means
        statistic = float(residual @ np.linalg.pinv(left @ sweep.covariance @ left, hermitian=True) @ residual)
        missing = float(special.chdtrc(count - 2, statistic))
    return Slope(per_doubling=float(weights @ sweep.means), ci=_interval(drawn @ weights, alpha), lack_of_fit=missing)


def _saturation(sweep: Sweep, curves: Curves, alpha: float) -> Saturation:
    return Saturation(
        asymptote=float(curves.asymptote[0]),
        asymptote_ci=_interval(curves.asymptote[1:], alpha),
        distance=float(curves.distance[0]),
        exponent=float(curves.exponent[0]),
        rms_residual=float(curves.rms[0]),
    )


def _needed(sweep: Sweep, curves: Curves, goals: Floats, slope: float, alpha: float, *, reached: bool) -> Needed:
    """The amount at which the curve meets the goal, and whether anything is known to be enough."""
    assert sweep.goal is not None
    largest = float(sweep.amounts[-1])
    factors = curves.factor(np.concatenate([[sweep.goal], goals]))
    # "lower" and "higher" take values that occur: between a number and infinity there is nothing to interpolate.
    low = float(np.quantile(factors[1:], alpha / 2, method="lower"))
    high = float(np.quantile(factors[1:], 1 - alpha / 2, method="higher"))
    never = _interval(curves.asymptote[1:] - goals, alpha)[1] < 0
    known = math.isfinite(factors[0])
    lacking = sweep.goal - float(sweep.means[-1])
    line = largest * 2.0 ** min(lacking / slope, 1000.0) if slope > 0 and lacking > 0 else None
    if reached:
        answer: Answer = "reached"
    elif never:
        answer = "cannot"
    else:
        answer = "amount" if known and math.isfinite(high) else "unknown"
    return Needed(
        answer=answer,
        amount=largest * float(factors[0]) if known else None,
        ci=(largest * low, largest * high if math.isfinite(high) else None) if math.isfinite(low) else None,
        by_line=line,
        doublings_beyond=math.log2(factors[0]) if known and factors[0] > 0 else None,
    )
