"""What an INCONCLUSIVE verdict tends to, and the items that would bring it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from components.contracts.verdict import VerdictWord
from components.report.demands import (
    IMPOSSIBLE,
    Demand,
    growth_either_way,
    growth_needed,
    label_demands,
    loss_demands,
    ratio_demand,
)
from components.report.fieller import Contrasts, pool
from components.report.policy import Policy
from components.report.pooling import poolable

if TYPE_CHECKING:
    from components.report.benchmark_results import Assessed
    from components.report.rules import Court


class Settling(NamedTuple):
    """What an INCONCLUSIVE verdict tends to, and what would show it."""

    word: VerdictWord
    """The verdict if the numbers stayed as they are."""
    growth: float
    """How many times the items."""
    items: Mapping[str, int]
    """Benchmark -> items."""


def settling(court: Court) -> Settling | None:
    """The verdict that these numbers tend to, and the items that would settle it, one way or another, 80% of the time.

    None where style, or what the imitation data cover, is what is missing (more items would not help), or where the
    numbers lie between the limits and no number of items would do.
    """
    if court.support_blocks:
        return None
    routes: tuple[tuple[VerdictWord, list[Demand]], ...] = (
        ("CAPABILITY", _capability(court)),
        ("LOCAL", _local(court)),
        ("STYLE_ONLY", _style_only(court)),
        ("REGRESSION", _regression(court)),
    )
    parts = poolable(court.everything)
    for word, demands in routes:
        # Where style is not captured, that nothing was gained brings no verdict.
        known_style = word != "REGRESSION" and court.captured.holds and bool(parts)
        growth = (
            growth_either_way(demands, pool([c for _, c in parts]), court.policy)
            if known_style
            else growth_needed(demands)
        )
        if growth is None:
            continue
        if word == "CAPABILITY" and court.support_missing:
            return None
        items = {b.name: max(b.result.n + 1, math.ceil(b.result.n * growth)) for b in court.everything}
        return Settling(word, growth, items)
    return None


def _capability(court: Court) -> list[Demand]:
    members, policy = court.unsupported, court.policy
    if len(members) < 2:
        return []
    tending = [b for b in members if _tends_to_gain(b, policy)]
    broad = _broad(poolable(members), policy)
    if any(demand.effect <= 0 for demand in broad) and len(tending) >= 2 and 2 * len(tending) > len(members):
        broad = [demand for b in tending for demand in label_demands(b.evidence.estimate, policy, court.family)]
    return [*broad, *_safe(court)]


def _broad(parts: Sequence[tuple[str, Contrasts]], policy: Policy) -> list[Demand]:
    """A pooled share of the gap, and a gain that is left without the benchmark which adds most."""
    if len(parts) < 2:
        return [IMPOSSIBLE]
    total, one_sided = pool([c for _, c in parts]), policy.alpha / 2
    largest = max(parts, key=lambda part: part[1].delta)[0]
    rest = pool([c for name, c in parts if name != largest])
    return [
        Demand(total.gap, total.var_gap, one_sided),
        Demand(total.delta, total.var_delta, one_sided),
        ratio_demand(total, policy.capability_gap_closed, 0.5, above=True),
        Demand(rest.delta, rest.var_delta, one_sided),
        # Only a shown absence of gain in the others forbids it.
        ratio_demand(rest, policy.negligible_gap_closed, 1 - one_sided, above=True),
    ]


def _local(court: Court) -> list[Demand]:
    tending = [b for b in court.everything if _tends_to_gain(b, court.policy)]
    rest = [b for b in court.everything if not _tends_to_gain(b, court.policy)]
    gains = [demand for b in tending for demand in label_demands(b.evidence.estimate, court.policy, court.family)]
    return [*gains, *(_nothing(court, rest) if rest else []), *_safe(court)] if gains else []


def _style_only(court: Court) -> list[Demand]:
    return _nothing(court, court.everything) if court.captured.holds else []


def _nothing(court: Court, members: Sequence[Assessed]) -> list[Demand]:
    parts = poolable(members)
    if not parts or any(_tends_to_gain(b, court.policy) for b in members):
        return [IMPOSSIBLE]
    total = pool([c for _, c in parts])
    one_sided = court.policy.alpha / 2
    return [
        Demand(total.gap, total.var_gap, one_sided),
        ratio_demand(total, court.policy.negligible_gap_closed, one_sided, above=False),
    ]


def _regression(court: Court) -> list[Demand]:
    """The first loss that would decide."""
    policy = court.policy
    for b in court.benchmarks:
        change = b.evidence.estimate.change
        decides = policy.is_critical(b.name) or not court.captured.holds
        if change is not None and decides and change.value < -policy.regression_margin:
            return loss_demands(b.evidence.estimate, policy, court.family)
    return []


def _tends_to_gain(b: Assessed, policy: Policy) -> bool:
    c = b.evidence.estimate.contrasts
    return c is not None and c.gap > 0 and c.delta > 0 and c.delta >= policy.capability_gap_closed * c.gap


def _safe(court: Court) -> list[Demand]:
    policy, found = court.policy, []
    for b in court.benchmarks:
        change = b.evidence.estimate.change
        if not policy.is_critical(b.name) or change is None:
            continue
        found.append(Demand(change.value + policy.regression_margin, change.variance, 0.5))
        if policy.critical_tolerance is not None:
            found.append(Demand(change.value + policy.critical_tolerance, change.variance, policy.alpha / 2))
    return found
