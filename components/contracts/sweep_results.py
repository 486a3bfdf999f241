"""sweep.json: the cells of a sweep side by side, what growing amounts and bases say, and which cells are not beaten."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from components.contracts.scaling_results import ScalingFit
from components.contracts.sweep_rows import Cell
from components.contracts.verdict import Interval, VerdictWord

Axis = Literal["amount", "base"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CellSummary(_Part):
    """One finished cell."""

    cell: Cell
    """Which."""
    parameters: int | None
    """Of its base, where that says."""
    verdict: VerdictWord
    """Its own."""
    reason: str
    """The verdict's sentence."""
    change: float | None
    """imitator - base, mean over capability benchmarks of the mean score."""
    change_ci: Interval | None
    """Paired, clustered, benchmarks independent."""
    gap_closed: float | None
    """Pooled over the benchmarks."""
    gap_closed_ci: Interval | None
    """Its interval."""
    closeness: float | None
    """Style taken on, 0 = the base, 1 = a second sample of the target."""
    closeness_ci: Interval | None
    """Its interval."""
    preferred: float | None
    """Share of prompts on which the first judge found it at least as good as the target."""
    regressed: tuple[str, ...]
    """Benchmarks that got worse."""
    unbeaten: bool
    """No other cell has more style and more capability at once (Pareto), by the points, not their intervals."""
    page: str
    """Relative address of its report."""


class Curve(_Part):
    """One benchmark over one axis, all else equal."""

    benchmark: str
    """Name of the benchmark."""
    axis: Axis
    """amount: dialogues of one base. base: parameters of the base."""
    cells: tuple[str, ...]
    """Names of the imitators on it, by growing amount."""
    label: str
    """What they have in common."""
    fit: ScalingFit
    """Means, slope, extrapolation; the goal is the target's score."""
    bases: tuple[float, ...]
    """Mean scores of the cells' bases on the same items, in the same order."""


class SweepStudy(_Part):
    """Everything sweep.html shows."""

    title: str
    """Heading."""
    cells: tuple[CellSummary, ...]
    """In the order of the sweep."""
    curves: tuple[Curve, ...]
    """Along every axis of two values or more."""
    findings: tuple[str, ...]
    """In sentences."""
