"""Items that would show what is open: conditions as one-sided tests, and the growth of n at which they would hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from components.report.fieller import Contrasts
from components.report.policy import Policy
from components.report.quantiles import t_cdf, t_quantile

if TYPE_CHECKING:
    from components.report.estimates import Estimate

PLANNED_POWER = 0.98
"""Growth is planned for this power so that at least 80% do settle: the numbers planned with are themselves estimates,
of data that happened to be inconclusive. With 50 items of each and a gain on one benchmark, plans for 90% settled 71%,
for 95% 80%, for 97% 82%."""
MOST_MISTAKEN = 0.10
"""A plan may fail in this share of cases because nothing was gained, after all: what few items seem to tend to is often
chance. Without this, single benchmarks that only seemed to gain were settled in 63 to 81% by the items they named."""
MOST = 1e6
"""A larger growth than this is no plan."""


class Demand(NamedTuple):
    """One condition: an estimate must come out above 0, by a one-sided test or (at level 0.5) as it stands."""

    effect: float
    """What is estimated now; above 0 when the condition would hold in the end."""
    variance: float
    """Of the estimate, at the present number of items."""
    level: float
    """Of the one-sided test."""

    def power(self, growth: float) -> float:
        """P that it holds with `growth` times the items, when the estimate is the truth."""
        if not self.variance > 0:
            return float(self.effect > 0)
        standing = self.effect * math.sqrt(growth / self.variance)
        return t_cdf(standing - t_quantile(1 - self.level, math.inf), math.inf)


IMPOSSIBLE = Demand(-1.0, 1.0, 0.5)
"""Cannot hold, however many items."""


def growth_needed(demands: Sequence[Demand], power: float = PLANNED_POWER) -> float | None:
    """Smallest growth of n at which all demands hold together with this power; None when no growth would do.

    What single demands may fail adds up (Bonferroni), so that their dependence does not matter.
    """
    if not demands or any(demand.effect <= 0 for demand in demands):
        return None

    def fails(growth: float) -> float:
        return sum(1 - demand.power(growth) for demand in demands)

    low, high = 0.0, math.log(MOST)
    if fails(math.exp(high)) > 1 - power:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if fails(math.exp(middle)) <= 1 - power else (middle, high)
    return math.exp(high)


def growth_either_way(demands: Sequence[Demand], c: Contrasts, policy: Policy) -> float | None:
    """Growth that meets the demands, and that mostly shows nothing gained if that is the truth after all.

    Args:
        demands: Of what the numbers tend to.
        c: Change and gap that the limits are asked of.
        policy: Whose limits.
    """
    growth = growth_needed(demands)
    if growth is None or not c.gap > 0 or math.isnan(c.var_delta + c.var_gap):
        return growth
    power = 1 - MOST_MISTAKEN / chance_of_nothing(c)
    if power <= 0:
        return growth
    limit = ratio_demand(c, policy.negligible_gap_closed, policy.alpha / 2, above=False)
    nothing = [Demand(c.gap, c.var_gap, policy.alpha / 2), limit._replace(effect=policy.negligible_gap_closed * c.gap)]
    least = growth_needed(nothing, power)
    return None if least is None else max(growth, least)


def chance_of_nothing(c: Contrasts) -> float:
    """How likely it is, by the change alone, that nothing was gained; at least, were it as likely as not before.

    The bound of Sellke, Bayarri and Berger 2001 on what a p value says against its hypothesis: odds of -e p ln(p).
    """
    p = 1 - t_cdf(c.delta / math.sqrt(c.var_delta), math.inf) if c.var_delta > 0 else float(c.delta <= 0)
    if p >= 1 / math.e:
        return 0.5
    odds = -math.e * p * math.log(p) if p > 0 else 0.0
    return max(odds / (1 + odds), 1e-12)


def loss_demands(found: Estimate, policy: Policy, family: int) -> list[Demand]:
    """What a loss beyond the margin would need to be shown; empty where there is none."""
    change = found.change
    if change is None or change.value >= -policy.regression_margin:
        return []
    return [Demand(-policy.regression_margin - change.value, change.variance, policy.alpha / 2 / family)]


def label_demands(found: Estimate, policy: Policy, family: int) -> list[Demand]:
    """What one benchmark's label would need, of the label that its numbers tend to; empty when they tend to none.

    A loss, too, is most easily settled as nothing gained; where there is no gap, as a loss.
    """
    c, change, one_sided = found.contrasts, found.change, policy.alpha / 2
    if change is None:
        return []
    if c is None or math.isnan(c.var_gap) or c.gap <= 0:
        return loss_demands(found, policy, family)
    measurable = Demand(c.gap, c.var_gap, one_sided)
    if c.delta >= policy.capability_gap_closed * c.gap and c.delta > 0:
        # Bonferroni's level: what Holm asks of the smallest p.
        return [
            measurable,
            Demand(change.value, change.variance, one_sided / family),
            ratio_demand(c, policy.capability_gap_closed, 0.5, above=True),
        ]
    return [measurable, ratio_demand(c, policy.negligible_gap_closed, one_sided, above=False)]


def label_items(found: Estimate, policy: Policy, family: int) -> int | None:
    """Items that would settle a benchmark's label, more than it has; None when no number would do."""
    demands, c = label_demands(found, policy, family), found.contrasts
    growth = growth_needed(demands) if c is None else growth_either_way(demands, c, policy)
    n = found.change.n if found.change else 0
    return None if growth is None else max(n + 1, math.ceil(n * growth))


def ratio_demand(c: Contrasts, limit: float, level: float, *, above: bool) -> Demand:
    """g above (or below) a limit, as the sign of D - limit x G."""
    variance = c.var_delta - 2 * limit * c.covariance + limit**2 * c.var_gap
    return Demand((c.delta - limit * c.gap) * (1 if above else -1), variance, level)
