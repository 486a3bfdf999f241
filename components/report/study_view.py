"""A study's arms side by side: the table shared by its page and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.verdict import BenchmarkResult
from components.report.page_inputs import StudyEntry
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import VERDICT_TITLES, percent, ratio


def benchmark_names(entries: Sequence[StudyEntry]) -> tuple[str, ...]:
    """Every benchmark of any arm, in the order they first appear."""
    return tuple(dict.fromkeys(result.name for entry in entries for result in entry.verdict.benchmarks))


def result_of(entry: StudyEntry, name: str) -> BenchmarkResult | None:
    """The arm's result on a benchmark, where it has one."""
    return next((result for result in entry.verdict.benchmarks if result.name == name), None)


def study_sheet(entries: Sequence[StudyEntry]) -> Sheet:
    """Verdict, gap closed per benchmark, style and preference, one row an arm."""
    notes = Notes()
    names = benchmark_names(entries)
    columns: tuple[Column, ...] = (
        Column("Arm", numeric=False),
        Column("Verdict", numeric=False),
        *(Column(name, "gap closed") for name in names),
        Column("Style", "closeness"),
        Column("Preferred", "share at least as good as the target"),
    )
    rows = [_cells(entry, names, notes) for entry in entries]
    if any(entry.verdict.attribution for entry in entries):
        columns = (*columns, Column("Taken for the target", "share of answers, by a classifier"))
        rows = [(*cells, taken_cell(entry, notes)) for cells, entry in zip(rows, entries, strict=True)]
    return Sheet("study-table", "Arms side by side", columns, tuple(rows), tuple(notes.reasons))


def _cells(entry: StudyEntry, names: Sequence[str], notes: Notes) -> tuple[Cell, ...]:
    verdict = entry.verdict
    first = verdict.preference[0] if verdict.preference else None
    return (
        Cell(entry.name),
        Cell(VERDICT_TITLES[verdict.verdict], tone=verdict.verdict),
        *(gap_cell(result_of(entry, name), notes) for name in names),
        notes.cell(verdict.style.closeness, ratio, verdict.style.reason or "style was not measured", verdict.style.ci),
        notes.cell(first.at_least_target if first else None, percent, "no judgments", first.ci if first else None),
    )


def taken_cell(entry: StudyEntry, notes: Notes) -> Cell:
    """The imitator's answers that are taken for the target's, by the first classifier that was asked."""
    asked = entry.verdict.attribution
    taken = asked.headline.imitator if asked else None
    return notes.cell(taken.share if taken else None, percent, "nobody was asked", taken.ci if taken else None)


def gap_cell(result: BenchmarkResult | None, notes: Notes) -> Cell:
    """The share of one benchmark's gap that was closed, or why there is none."""
    if result is None:
        return notes.cell(None, ratio, "not measured here")
    return notes.cell(result.gap_closed, ratio, result.gap_closed_reason or "no reason recorded", result.gap_closed_ci)
