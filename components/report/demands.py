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


def growth_needed(demands: Sequence[Demand]) -> float | None:
    """Smallest growth of n at which all demands hold together with the planned power; None when no growth would do.

    What single demands may fail adds up (Bonferroni), so that their dependence does not matter.
    """
    if not demands or any(demand.effect <= 0 for demand in demands):
        return None

    def fails(growth: float) -> float:
        return sum(1 - demand.power(growth) for demand in demands)

    low, high = 0.0, math.log(MOST)
    if fails(math.exp(high)) > 1 - PLANNED_POWER:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if fails(math.exp(middle)) <= 1 - PLANNED_POWER else (middle, high)
    return math.exp(high)


def label_demands(found: Estimate, policy: Policy, family: int) -> list[Demand]:
    """What one benchmark's label would need, of the label that its numbers tend to; empty when they tend to none."""
    c, change, one_sided = found.contrasts, found.change, policy.alpha / 2
    if change is None:
        return []
    if change.value < -policy.regression_margin:
        return [Demand(-policy.regression_margin - change.value, change.variance, one_sided / family)]
    if c is None or math.isnan(c.var_gap) or c.gap <= 0:
        return []
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
    growth = growth_needed(label_demands(found, policy, family))
    n = found.change.n if found.change else 0
    return None if growth is None else max(n + 1, math.ceil(n * growth))


def ratio_demand(c: Contrasts, limit: float, level: float, *, above: bool) -> Demand:
    """g above (or below) a limit, as the sign of D - limit x G."""
    variance = c.var_delta - 2 * limit * c.covariance + limit**2 * c.var_gap
    return Demand((c.delta - limit * c.gap) * (1 if above else -1), variance, level)
