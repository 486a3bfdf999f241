"""One benchmark's base, imitator and target as means with a joint 3x3 covariance, from items or published numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.contracts.evidence_rows import PublishedScore
from components.report.clustered import Codes, Floats, JointMeans, clustered_means, stratified_means
from components.report.fieller import Bounds, Contrasts, confidence
from components.report.joining import PARTS, ItemTable, Part
from components.report.paired_tests import mcnemar_exact, p_greater, p_less, p_two_sided
from components.report.score_intervals import Pairs, Triples

DELTA = np.array([-1.0, 1.0, 0.0])
GAP = np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Change:
    """D with what its tests need."""

    value: float
    variance: float
    df: float
    """inf when both models are published numbers."""
    n: int
    """Items behind it; the smaller n of published numbers."""
    pairs: Pairs | None = None
    """The items themselves, where they are right or wrong and independent: score tests and intervals then go before
    those by the variance."""

    def interval(self, alpha: float) -> Bounds:
        """Two-sided interval at 1 - alpha; infinite where the variance is unknown."""
        if self.pairs is not None and self.df > 0:
            return self.pairs.interval(alpha)
        return confidence(self.value, self.variance, self.df, alpha)

    def p_greater(self) -> float:
        """One-sided p against no gain."""
        return self.pairs.p_greater(0.0) if self.pairs else p_greater(self.value, self.variance, self.df)

    def p_less(self, than: float) -> float:
        """One-sided p against a change of at least `than`."""
        return self.pairs.p_less(than) if self.pairs else p_less(self.value - than, self.variance, self.df)

    def p_two_sided(self) -> float:
        """Two-sided p against no change."""
        if self.pairs is not None:
            return min(1.0, 2 * min(self.pairs.p_greater(0.0), self.pairs.p_less(0.0)))
        return p_two_sided(self.value, self.variance, self.df)


@dataclass(frozen=True)
class Estimate:
    """Everything measured on one benchmark before any rule is asked."""

    benchmark: str
    means: Mapping[Part, float]
    """base and imitator on the items of D, the target on the items of G."""
    change: Change | None
    """None when base or imitator was not measured."""
    contrasts: Contrasts | None
    """D and G on the items that all three share; None when the target was not measured."""
    n_gap: int
    """Items behind G."""
    num_clusters: int | None
    paired: bool
    p_mcnemar: float | None
    binary: bool
    """All scores 0 or 1."""
    change_clustered: Change | None = None
    """D with the variance of whole clusters, where `change` takes them as strata."""


def published_variance(row: PublishedScore) -> float:
    """Binomial variance of a published mean plus what its rounding hides, unit^2 / 12.

    A mean of 0 or 1 would have none; it takes that of (x + 1)/(n + 2). Scores between 0 and 1 vary less, never more.
    """
    share = row.value if 0 < row.value < 1 else (row.value * row.n + 1) / (row.n + 2)
    return share * (1 - share) / row.n + row.rounding**2 / 12


def estimate(benchmark: str, table: ItemTable | None, published: Mapping[Part, PublishedScore]) -> Estimate:
    """Means and contrasts of one benchmark; item scores are used where a model has both kinds.

    D uses every item that base and imitator have scores for. G, and g with it, uses those that the target has too.
    Published models are independent of everything: the covariance of D and G is then the variance of the base alone.
    """
    items = dict(table.values) if table else {}
    use = {part: row for part, row in published.items() if part not in items}
    known = set(items) | set(use)
    first = _joint(("base", "imitator"), items, use, table)
    whole = _joint(PARTS, items, use, table) if known == set(PARTS) else None
    paired = {"base", "imitator"} <= set(items)
    clustered = _joint(("base", "imitator"), items, use, table, clustered=True) if table and table.stratified else None
    singles = table is not None and len(np.unique(table.clusters)) == len(table.clusters)
    pairs = Pairs.of(*first.values.T) if singles and paired and first.binary and first.values is not None else None
    means: dict[Part, float] = {
        part: float(first.means[PARTS.index(part)]) for part in ("base", "imitator") if part in known
    }
    if "target" in known:
        means["target"] = float((whole or _joint(("target",), items, use, table)).means[2])
    return Estimate(
        benchmark=benchmark,
        means={part: mean for part, mean in means.items() if not math.isnan(mean)},
        change=first.change(pairs) if {"base", "imitator"} <= known and first.n else None,
        contrasts=whole.contrasts(singles) if whole and whole.n else None,
        n_gap=whole.n if whole else 0,
        num_clusters=first.num_clusters,
        paired=paired,
        p_mcnemar=mcnemar_exact(pairs.gained, pairs.lost) if pairs else None,
        binary=first.binary,
        change_clustered=clustered.change() if clustered and {"base", "imitator"} <= known and first.n else None,
    )


@dataclass(frozen=True)
class _Joint:
    """Means (3,) and covariance (3, 3) in the order of PARTS; NaN where a part is not asked for."""

    means: Floats
    covariance: Floats
    df: float
    n: int
    num_clusters: int | None
    values: Floats | None
    binary: bool

    def _variance(self, contrast: Floats) -> float:
        used = np.flatnonzero(contrast)
        variance = float(contrast[used] @ self.covariance[np.ix_(used, used)] @ contrast[used])
        # Ten identical outputs are not infinitely sure (method section 5). Scores between 0 and 1 need it only when
        # they do not vary at all.
        return max(variance, 0.0) + (1 / self.n**2 if self.binary or variance <= 0 else 0.0)

    def change(self, pairs: Pairs | None = None) -> Change:
        return Change(float(self.means[1] - self.means[0]), self._variance(DELTA), self.df, self.n, pairs)

    def contrasts(self, singles: bool) -> Contrasts:
        whole = singles and self.binary and self.values is not None and self.values.shape[1] == len(PARTS)
        return Contrasts(
            delta=float(self.means @ DELTA),
            gap=float(self.means @ GAP),
            var_delta=self._variance(DELTA),
            var_gap=self._variance(GAP),
            covariance=float(DELTA @ self.covariance @ GAP),
            df=self.df,
            triples=Triples.of(self.values) if whole and self.values is not None else None,
        )


def _joint(
    parts: Sequence[Part],
    items: Mapping[Part, Floats],
    published: Mapping[Part, PublishedScore],
    table: ItemTable | None,
    *,
    clustered: bool = False,
) -> _Joint:
    means, covariance = np.full(3, np.nan), np.full((3, 3), np.nan)
    for part in parts:
        if part in published:
            i = PARTS.index(part)
            covariance[i, :], covariance[:, i] = 0.0, 0.0
    sizes = [published[part].n for part in parts if part in published]
    for part in parts:
        if part in published:
            i = PARTS.index(part)
            means[i], covariance[i, i] = published[part].value, published_variance(published[part])
    measured = [part for part in parts if part in items]
    if not measured or table is None:
        return _Joint(means, covariance, math.inf, min(sizes, default=0), None, None, True)
    matrix = np.stack([items[part] for part in measured], axis=1)
    kept = ~np.isnan(matrix).any(axis=1)
    matrix = matrix[kept]
    if not len(matrix):
        return _Joint(means, covariance, 0.0, 0, 0, None, False)
    joint = _means(matrix, table.clusters[kept], stratified=table.stratified and not clustered)
    where = [PARTS.index(part) for part in measured]
    means[where] = joint.means
    covariance[np.ix_(where, where)] = joint.covariance
    binary = bool(np.isin(matrix, (0.0, 1.0)).all())
    return _Joint(means, covariance, joint.df, min([joint.n, *sizes]), joint.num_clusters, matrix, binary)


def _means(matrix: Floats, clusters: Codes, *, stratified: bool) -> JointMeans:
    return stratified_means(matrix, clusters) if stratified else clustered_means(matrix, clusters)
