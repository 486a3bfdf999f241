"""sweep.html and sweep.json: every cell of a sweep on one page, each with a link to its own report."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from components.contracts.ports import Input
from components.contracts.sweep_results import CellSummary, Curve, SweepStudy
from components.contracts.sweep_rows import CellResults
from components.report.figures.growth import growth_figure
from components.report.figures.trade_off import trade_off_figure
from components.report.html import interval_level, page_template, safe_href
from components.report.page_inputs import PolicyLimits
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.sweeping.diverged import DivergedCell
from components.report.sweeping.sweep_cells import PAGE_FILE, VERDICT_FILE, finished
from components.report.sweeping.sweep_study import study
from components.report.wording import (
    VERDICT_MEANINGS,
    VERDICT_TITLES,
    clean,
    count,
    finite,
    percent,
    points,
    ratio,
)

if TYPE_CHECKING:
    from components.report.step import CompareCellsParams

PAGE, RECORD = "sweep.html", "sweep.json"


def write_sweep(cells: Input[CellResults], folder: Path, params: CompareCellsParams) -> SweepStudy:
    """Write the page, its record and a copy of every cell's report below `folder`."""
    found = finished(cells)
    made = study(found, title=params.title, policy=params.policy, resamples=params.resamples, seed=params.seed)
    for cell in found:
        place = folder / cell.cell.name
        place.mkdir()
        for name in (VERDICT_FILE, PAGE_FILE):
            shutil.copyfile(cell.folder / name, place / name)
    (folder / RECORD).write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    page = render_sweep_html(made, PolicyLimits(alpha=params.policy.alpha))
    (folder / PAGE).write_text(page, encoding="utf-8")
    return made


def render_sweep_html(made: SweepStudy, limits: PolicyLimits, diverged: Sequence[DivergedCell] = ()) -> str:
    """The sweep as one page; cells whose training diverged are rows without numbers."""
    return page_template("sweep.html.j2").render(
        page_title=clean(made.title),
        findings=(*made.findings, *_holes(diverged)),
        cells=[(cell, safe_href(cell.page)) for cell in made.cells],
        curves=made.curves,
        figures={"growth": Markup(growth_figure(made.curves)), "trade_off": Markup(trade_off_figure(made.cells))},
        cells_sheet=cells_sheet(made.cells, diverged),
        curves_sheet=curves_sheet(made.curves),
        words=VERDICT_TITLES,
        meanings=VERDICT_MEANINGS,
        level=interval_level(limits),
        generated_at=None,
    )


def _holes(diverged: Sequence[DivergedCell]) -> Iterable[str]:
    for lost in diverged:
        yield f"{lost.cell.name} has no model: its training diverged ({lost.reason})."


def cells_sheet(cells: Sequence[CellSummary], diverged: Sequence[DivergedCell] = ()) -> Sheet:
    """One row a cell."""
    notes = Notes()
    columns = (
        Column("Cell", numeric=False),
        Column("Verdict", numeric=False),
        Column("Dialogues"),
        Column("Capability", "change of the mean score, percentage points"),
        Column("Gap closed", "pooled over benchmarks"),
        Column("Style", "closeness to the target"),
        Column("Preferred", "share at least as good as the target"),
        Column("Got worse", numeric=False),
    )
    rows = tuple(_cell_row(cell, notes) for cell in cells)
    rows += tuple(_hole_row(lost, notes) for lost in diverged)
    return Sheet("cells-table", "Cells side by side", columns, rows, tuple(notes.reasons))


def _cell_row(cell: CellSummary, notes: Notes) -> tuple[Cell, ...]:
    return (
        Cell(
            cell.cell.name,
            "not beaten on both style and capability" if cell.unbeaten else "",
            href=safe_href(cell.page) or "",
        ),
        Cell(VERDICT_TITLES[cell.verdict], tone=cell.verdict),
        Cell(count(cell.cell.amount)),
        notes.cell(cell.change, points, "base or imitator has no score", cell.change_ci),
        notes.cell(cell.gap_closed, ratio, "no gap could be measured", cell.gap_closed_ci),
        notes.cell(cell.closeness, ratio, "style was not measured", cell.closeness_ci),
        notes.cell(cell.preferred, percent, "no judgments"),
        Cell(", ".join(cell.regressed) or "none"),
    )


def _hole_row(lost: DivergedCell, notes: Notes) -> tuple[Cell, ...]:
    missing = notes.cell(None, ratio, "training diverged")
    return (Cell(lost.cell.name), Cell("diverged"), Cell(count(lost.cell.amount)), *(missing,) * 4, Cell("unknown"))


def curves_sheet(curves: Sequence[Curve]) -> Sheet:
    """One row a curve: its slope, where it levels off, and what the target would take."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("Over", numeric=False),
        Column("Per doubling", "percentage points"),
        Column("Levels off at", "saturating fit"),
        Column("Target"),
        Column("Target needs", "in the fit's unit"),
        Column("Beyond what was measured", "doublings"),
    )
    rows = tuple(_curve_row(curve, notes) for curve in curves)
    return Sheet("curves-table", "What more would bring", columns, rows, tuple(notes.reasons))


def _curve_row(curve: Curve, notes: Notes) -> tuple[Cell, ...]:
    made, saturation, needed = curve.fit, curve.fit.saturation, curve.fit.needed
    few = "fewer than three amounts fix no curve"
    amount = needed.amount if needed else None
    why = {"cannot": "no amount: the curve levels off below the target", "reached": "reached already"}
    reason = why.get(needed.answer, "these measurements cannot tell") if needed else few
    shown = (
        Cell(count(round(amount)), _range(needed.ci if needed else None))
        if amount is not None and finite(amount) is not None and needed is not None and needed.answer == "amount"
        else notes.cell(None, ratio, reason)
    )
    return (
        Cell(curve.benchmark, curve.label),
        Cell(made.unit, f"{made.doublings:.1f} doublings measured"),
        notes.cell(made.slope.per_doubling, points, "", made.slope.ci),
        notes.cell(saturation.asymptote, percent, "", saturation.asymptote_ci)
        if saturation
        else notes.cell(None, percent, few),
        notes.cell(made.goal, percent, "the target was not measured"),
        shown,
        notes.cell(needed.doublings_beyond if needed else None, ratio, reason),
    )


def _range(ci: tuple[float, float | None] | None) -> str:
    if ci is None:
        return ""
    high = "no upper bound" if ci[1] is None else count(round(ci[1]))
    return f"{count(round(ci[0]))} to {high}" if ci[1] is not None else f"at least {count(round(ci[0]))}, {high}"
