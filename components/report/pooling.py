"""Benchmarks taken together: sum of changes over sum of gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.contracts.verdict import Pooled
from components.report.benchmark_results import Assessed
from components.report.fieller import Bounds, Contrasts, confidence, fieller, is_measurable, pool
from components.report.policy import Policy


def poolable(members: Sequence[Assessed]) -> list[tuple[str, Contrasts]]:
    """Members with a change and a gap, measurable or not: the set is fixed before looking."""
    found = []
    for member in members:
        c = member.evidence.estimate.contrasts
        if c is not None and c.df > 0 and member.label != "unusable":
            found.append((member.name, c))
    return found


def pooled(members: Sequence[Assessed], policy: Policy) -> Pooled:
    """Gap closed over a set of benchmarks."""
    names = tuple(member.name for member in members)
    parts = poolable(members)
    if not parts:
        why = "no benchmark in this set" if not members else "no benchmark in this set has a usable change and gap"
        return Pooled(benchmarks=names, gap_closed=None, ci=None, reason=why)
    total = pool([c for _, c in parts])
    if not is_measurable(total, policy.alpha):
        why = "the target is not measurably better than the base over this set"
        return Pooled(benchmarks=names, gap_closed=None, ci=None, reason=why)
    absent = [name for name in names if name not in dict(parts)]
    return Pooled(
        benchmarks=names,
        gap_closed=total.delta / total.gap,
        ci=fieller(total, policy.alpha),
        reason=f"without {', '.join(absent)}, whose gap could not be had" if absent else None,
        weights={name: c.gap / total.gap for name, c in parts},
    )


class Rest(NamedTuple):
    """A set of benchmarks without the one that adds most to its pooled change."""

    largest: str
    """The benchmark left out."""
    change: Bounds
    """Interval of the others' summed change."""
    closed: Bounds | None
    """Interval of the share of their gap that the others closed; None where their gap is not measurable."""


def without_largest(members: Sequence[Assessed], policy: Policy) -> Rest | None:
    """What is left of a pooled change without the benchmark that adds most to it.

    None with fewer than two benchmarks. A single benchmark must not pass for broad capability by its large gap.
    """
    parts = poolable(members)
    if len(parts) < 2:
        return None
    largest = max(parts, key=lambda part: part[1].delta)[0]
    rest = pool([c for name, c in parts if name != largest])
    change = confidence(rest.delta, rest.var_delta, rest.df, policy.alpha)
    return Rest(largest, change, fieller(rest, policy.alpha) if is_measurable(rest, policy.alpha) else None)
