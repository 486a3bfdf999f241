"""The page's table of gain against support."""

from __future__ import annotations

from components.contracts.support_results import SupportMap, SupportSlope
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.support_map import STEP, per_step
from components.report.wording import count, p_value, points


def support_sheet(made: SupportMap) -> Sheet:
    """One row a benchmark: the slope, and the gain where support is least and highest."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("n", "items with scores and a support"),
        Column("Without support", "left out"),
        Column("Clusters"),
        Column(f"Per {STEP:g} of support", "change of the gain, percentage points"),
        Column("p", "two-sided, unadjusted"),
        Column("Gain, least supported", "percentage points"),
        Column("Gain, most supported", "percentage points"),
    )
    rows = tuple(_cells(slope, notes) for slope in made.benchmarks)
    return Sheet("support-table", "Gain against support", columns, rows, tuple(notes.reasons))


def _cells(s: SupportSlope, notes: Notes) -> tuple[Cell, ...]:
    why = s.reason or "no reason recorded"
    slope = notes.cell(None if s.slope is None else STEP * s.slope, points, why, per_step(s.slope_ci))
    if slope.note is None and not slope.sub:
        slope = Cell(slope.text, "no interval", notes.number(why))
    ends = (s.bins[0], s.bins[-1]) if len(s.bins) > 1 else ()
    few = "too few items of different support to set the ends apart"
    return (
        Cell(s.benchmark),
        Cell(count(s.n)),
        Cell(count(s.without_support)),
        Cell(count(s.num_clusters)),
        slope,
        notes.cell(s.p, p_value, why),
        *(notes.cell(b.gain, points, few, b.ci) for b in ends),
        *(notes.cell(None, points, few) for _ in range(2 - len(ends))),
    )
