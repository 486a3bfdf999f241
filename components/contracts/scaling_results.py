"""What a sweep over amounts says: the slope of a doubling, where the curve levels off, and what a goal would take."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Interval = tuple[float, float]
Answer = Literal["reached", "amount", "cannot", "unknown"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScalingPoint(_Part):
    """One amount that was tried."""

    amount: float
    """How much, in the fit's unit."""
    value: float
    """Mean score of the model made from it."""
    ci: Interval
    """Interval of the mean."""


class Slope(_Part):
    """A straight line in the logarithm of the amount."""

    per_doubling: float
    """Change of the mean score when the amount doubles."""
    ci: Interval
    """Its interval."""
    lack_of_fit: float | None
    """p of deviations from the line so large by chance of items alone; null with two amounts, or when unknown. A small
    one says that the line is wrong, or that training runs differ by more than their items tell."""


class Saturation(_Part):
    """score = asymptote - distance x (amount / largest amount) ** -exponent."""

    asymptote: float
    """Score that ever more would lead to, on [0, 1]."""
    asymptote_ci: Interval
    """Its interval."""
    distance: float
    """asymptote - fitted score at the largest amount."""
    exponent: float
    """How fast the rest shrinks; never below the least exponent that the fit assumes."""
    rms_residual: float
    """Root mean square of measured - fitted means."""


class Needed(_Part):
    """What it would take to reach the goal."""

    answer: Answer
    """reached: within the measured range; amount: finite, with an interval; cannot: the asymptote's upper bound stays
    below the goal; unknown: these measurements cannot tell."""
    amount: float | None
    """By the saturating fit, in the fit's unit; null when its asymptote stays below the goal."""
    ci: tuple[float, float | None] | None
    """Its interval; a null upper end = no amount is known to be enough."""
    by_line: float | None
    """By the straight line, which never levels off: the optimistic reading; null when it does not rise."""
    doublings_beyond: float | None
    """log2(amount / largest measured amount): how far the answer lies outside what was measured."""


class ScalingFit(_Part):
    """One sweep over amounts of data, or over sizes of the base."""

    unit: str
    """What is counted: tokens, examples, parameters."""
    points: tuple[ScalingPoint, ...]
    """By growing amount."""
    n: int | None
    """Items behind every mean; null for printed means."""
    num_clusters: int | None
    """Clusters that were resampled; null for printed means."""
    doublings: float
    """log2(largest / smallest amount): the measured range."""
    slope: Slope
    """Per doubling."""
    saturation: Saturation | None
    """Null with fewer than three amounts."""
    goal: float | None
    """The score to be reached: the target's, unless the caller wants another."""
    goal_name: str
    """What the goal is, for sentences."""
    needed: Needed | None
    """Null without a goal or a saturating fit."""
    least_exponent: float
    """Assumption: nothing levels off more slowly than this."""
    remarks: tuple[str, ...] = ()
    """What a reader must know before believing a number."""
    sentence: str
    """What it would take, in one sentence."""
