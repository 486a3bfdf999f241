"""Gain against support, item by item: does what the imitator gained lie where its imitation data lie?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from components.contracts.evidence_rows import Support
from components.contracts.support_results import SupportBin, SupportMap, SupportSlope
from components.contracts.verdict import BenchmarkResult, Interval, VerdictWord
from components.report.clustered import Codes, Floats, clustered_means
from components.report.fieller import confidence
from components.report.joining import ItemTable
from components.report.paired_tests import p_two_sided
from components.report.policy import Policy
from components.report.prose import and_list
from components.report.slopes import SAME, clustered_slope
from components.report.wording import interval, points, ratio, untypeset

MOST_BINS = 5
LEAST_ITEMS = 20
"""In a bin: a mean of fewer says little."""
STEP = 0.1
"""Slopes are told per tenth of support: a whole unit is the way from nothing in common to a copy."""


def support_map(
    joined: Mapping[str, ItemTable],
    support: Iterable[Support],
    results: Sequence[BenchmarkResult],
    word: VerdictWord,
    policy: Policy,
) -> SupportMap | None:
    """Every benchmark's gain against support, and what that says; None where no item's support was measured.

    Args:
        joined: Benchmark -> scores of base and imitator on the items that both have.
        support: Of single items.
        results: The verdict's benchmarks.
        word: The verdict.
        policy: Its alpha, and which benchmarks are behaviour and no capability.
    """
    known: dict[str, dict[str, float]] = {}
    for row in support:
        known.setdefault(row.benchmark, {})[row.item_id] = row.similarity
    made = tuple(
        support_slope(table, known[name], alpha=policy.alpha)
        for name, table in joined.items()
        if name in known and {"base", "imitator"} <= set(table.values) and not policy.is_behaviour(name)
    )
    return SupportMap(benchmarks=made, sentence=_sentence(made, results, word)) if made else None


def support_slope(table: ItemTable, support: Mapping[str, float], *, alpha: float) -> SupportSlope:
    """One benchmark's line and bins.

    Args:
        table: Scores of base and imitator.
        support: Item -> its support.
        alpha: Intervals are two-sided at 1 - alpha.
    """
    gain = table.values["imitator"] - table.values["base"]
    found = np.array([support.get(item, math.nan) for item in table.items])
    scored = ~np.isnan(gain)
    used = scored & ~np.isnan(found)
    x, y, clusters = found[used], gain[used], table.clusters[used]
    line = clustered_slope(x, y, clusters)
    ci = None if line is None else confidence(line.value, line.variance, line.df, alpha)
    whole = ci is not None and all(map(math.isfinite, ci)) and ci[0] < ci[1]
    return SupportSlope(
        benchmark=table.benchmark,
        n=int(used.sum()),
        without_support=int((scored & ~used).sum()),
        num_clusters=len(np.unique(clusters)),
        gain_at_zero=line.intercept if line else None,
        slope=line.value if line else None,
        slope_ci=ci if whole else None,
        p=p_two_sided(line.value, line.variance, line.df) if line and whole else None,
        bins=tuple(_bins(x, y, clusters, alpha)),
        reason=None if whole else _why(x, y),
    )


def _why(x: Floats, y: Floats) -> str:
    if len(x) < 3:
        return "fewer than three items have a score of both models and a support"
    if np.ptp(x) <= SAME:
        return "all items have the same support"
    if np.ptp(y) == 0:
        return "all items changed alike, so the spread of a slope is unknown"
    return "nearly all items belong to one cluster, so the spread of a slope is unknown"


def _bins(x: Floats, y: Floats, clusters: Codes, alpha: float) -> Iterable[SupportBin]:
    """Items of equal support stay together, so that a bin means the same wherever the cut falls."""
    if not len(x):
        return
    number = max(1, min(MOST_BINS, len(x) // LEAST_ITEMS))
    edges = np.unique(np.quantile(x, np.linspace(0, 1, number + 1)[1:-1]))
    place = np.searchsorted(edges, x, side="left")
    for at in np.unique(place):
        inside = place == at
        means = clustered_means(y[inside, None], clusters[inside])
        ci = confidence(float(means.means[0]), float(means.covariance[0, 0]), means.df, alpha)
        sure = all(map(math.isfinite, ci)) and ci[0] < ci[1]
        yield SupportBin(
            low=float(x[inside].min()),
            high=float(x[inside].max()),
            support=float(x[inside].mean()),
            n=int(inside.sum()),
            gain=float(means.means[0]),
            ci=ci if sure else None,
        )


def _sentence(made: Sequence[SupportSlope], results: Sequence[BenchmarkResult], word: VerdictWord) -> str:
    """Between benchmarks first, then within them."""
    return " ".join(filter(None, (_between(results, word), untypeset(_within(made)))))


def _between(results: Sequence[BenchmarkResult], word: VerdictWord) -> str:
    """Where the gains lie, set beside the mean support of the benchmarks."""
    measured = [(b, b.support) for b in results if b.support is not None and b.support_source != "behaviour"]
    gained = [(b.name, support) for b, support in measured if b.label == "gained"]
    rest = [(b.name, support) for b, support in measured if b.label != "gained"]
    if not gained or not rest:
        return ""
    told = f"Mean support is {_listed(gained)} where the imitator gained and {_listed(rest)} where it did not"
    if min(support for _, support in gained) <= max(support for _, support in rest):
        return f"{told}: support alone does not say where the gains lie."
    elsewhere = [b.name for b, _ in measured if (b.label == "gained") != (b.supported is True)]
    if elsewhere:
        said = [f"{name} {'is not' if name in dict(gained) else 'is'} covered by the data" for name in elsewhere]
        return f"{told}, but {and_list(said)}: support alone does not say where the gains lie."
    return f"{told}: the gains lie where the imitation data lie{', as LOCAL says' if word == 'LOCAL' else ''}."


def _listed(found: Sequence[tuple[str, float]]) -> str:
    return and_list([f"{ratio(support)} on {name}" for name, support in found])


def _within(made: Sequence[SupportSlope]) -> str:
    drawn = [s for s in made if s.slope is not None and s.slope_ci is not None]
    if not drawn:
        return ""
    clear = [s for s in drawn if s.slope_ci is not None and not s.slope_ci[0] <= 0 <= s.slope_ci[1]]
    if not clear:
        if len(drawn) > 1:
            return "Within no benchmark did items nearer to the data measurably gain more or less than others."
        (only,) = drawn
        return f"Within {only.benchmark}, items nearer to the data did not measurably gain more or less than others."
    told = [f"{_per_step(s.slope)} points on {s.benchmark} ({_interval(s.slope_ci)})" for s in clear]
    return f"Within benchmarks, each {STEP:g} of support goes with a change of {and_list(told)}."


def _per_step(slope: float | None) -> str:
    return points(None if slope is None else STEP * slope)


def _interval(ci: Interval | None) -> str:
    return interval(per_step(ci), points)


def per_step(ci: Interval | None) -> Interval | None:
    """An interval of a slope, per tenth of support."""
    return None if ci is None else (STEP * ci[0], STEP * ci[1])
