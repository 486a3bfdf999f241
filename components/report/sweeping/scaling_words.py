"""A scaling fit in words: what it would take, and what to doubt about it."""

from __future__ import annotations

import math

from components.contracts.scaling_results import Needed, ScalingFit
from components.report.prose import percent

CHECKPOINTS = "Intervals describe these checkpoints: how much another training run differs is no part of them."
NO_LINE = 0.01
"""p of the line's lack of fit below which it is called wrong."""
_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def amount_words(value: float) -> str:
    """`150 million`, `6,000`, `more than a quadrillion`."""
    if value >= 1e15:
        return "more than a quadrillion"
    for scale, word in _SCALES:
        if value >= scale:
            return f"{value / scale:.3g} {word}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def sentence(found: ScalingFit) -> str:
    """What it would take, in one sentence."""
    slope, unit = found.slope, found.unit
    rise = f"each doubling of {unit} changes the score by {_signed(slope.per_doubling)} ({_bounds(slope.ci)})"
    needed, goal = found.needed, found.goal
    if goal is None:
        return f"Over {found.doublings:.1f} doublings {rise}."
    name = f"{found.goal_name} ({percent(goal)})"
    if needed is None or found.saturation is None:
        return f"Over {found.doublings:.1f} doublings {rise}; two amounts cannot say what {name} would take."
    last = f"at {amount_words(found.points[-1].amount)} {unit} it is {percent(found.points[-1].value)}"
    if needed.answer == "reached":
        return f"{name[0].upper()}{name[1:]} is reached: {last}."
    ceiling = found.saturation.asymptote_ci[1]
    if needed.answer == "cannot":
        return (
            f"More {unit} cannot reach {name}: {last}, {rise}, and the curve levels off at"
            f" {percent(found.saturation.asymptote)}, at most {percent(ceiling)}."
        )
    if needed.answer == "amount":
        assert needed.amount is not None
        amount = f"about {amount_words(needed.amount)} {unit}{_range(needed)}"
        return f"{name[0].upper()}{name[1:]} would take {amount}: {rise}."
    least = f"; if they do, it takes at least {amount_words(needed.ci[0])}" if needed.ci else ""
    return f"Whether more {unit} reach {name} cannot be told: {last}, {rise}{least}."


def remarks(found: ScalingFit, few_clusters: int) -> tuple[str, ...]:
    """What a reader must know before believing a number."""
    lines = [CHECKPOINTS]
    needed = found.needed
    if needed and needed.doublings_beyond is not None and needed.doublings_beyond > 0 and needed.answer != "reached":
        far = needed.doublings_beyond
        lines.append(
            f"This is {far:.1f} doublings beyond the largest amount, from {found.doublings:.1f} doublings measured"
            + ("; so long an extrapolation is a direction, no forecast." if far > found.doublings else ".")
        )
    if needed and needed.by_line is not None:
        lines.append(
            f"A straight line in the logarithm, which never levels off, would give {amount_words(needed.by_line)}"
            f" {found.unit}: the optimistic reading."
        )
    if found.saturation:
        lines.append(
            f"The curve is assumed to level off with an exponent of at least {found.least_exponent:g}; without such a"
            " bound no measured range excludes anything."
        )
    if len(found.points) == 3:
        lines.append("Three amounts leave nothing to check the curve by.")
    if found.slope.lack_of_fit is not None and found.slope.lack_of_fit < NO_LINE:
        lines.append(
            f"The means stray further from a line than their items explain (p = {found.slope.lack_of_fit:.2g}): the"
            " curve bends, or training runs differ; more seeds would tell."
        )
    if found.num_clusters is not None and found.num_clusters < few_clusters:
        lines.append(f"Only {found.num_clusters} clusters were resampled; intervals are rough.")
    return tuple(lines)


def _signed(change: float) -> str:
    return f"{100 * change:+.2f} points"


def _bounds(ci: tuple[float, float]) -> str:
    return f"{100 * ci[0]:+.2f} to {100 * ci[1]:+.2f}"


def _range(needed: Needed) -> str:
    if needed.ci is None or needed.ci[1] is None or not math.isfinite(needed.ci[1]):
        return ""
    return f" ({amount_words(needed.ci[0])} to {amount_words(needed.ci[1])})"
