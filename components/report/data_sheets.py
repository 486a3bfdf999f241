"""The page's tables about the imitation data: what they are, what they leak, what kinds of queries they hold."""

from __future__ import annotations

from collections.abc import Mapping

from components.contracts.data_results import CleanDirty, DataResult
from components.contracts.data_rows import STUDY_SHARES, BenchmarkLeakage, CategoryShare, DataFigures
from components.contracts.verdict import Verdict
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import MISSING, count, finite, grade, interval, percent, points, ratio

STUDY_DIVERSITY = "the study: 8 for ShareGPT-Mix, 61 for Super-NaturalInstructions"
NOT_MEASURED = "not measured for these data"


def data_sheets(verdict: Verdict) -> list[Sheet]:
    """Tables of the imitation data; none when nothing about them was given."""
    data = verdict.data
    if data is None:
        return []
    made = [figures_sheet(data)] if data.figures else []
    leaks = leakage_sheet(data, {b.name: b.support for b in verdict.benchmarks})
    made += [leaks] if leaks.rows else []
    made += [categories_sheet(f) for f in data.figures if f.categories]
    return [*made, checks_sheet(data)] if data.checks else made


def figures_sheet(data: DataResult) -> Sheet:
    """One column a set of data, one row a figure."""
    notes = Notes()
    columns = (Column("Figure", numeric=False), *(Column(f.name or "The data") for f in data.figures))
    rows = [
        (Cell("Dialogues kept"), *(Cell(count(f.dialogues)) for f in data.figures)),
        (Cell("Set aside", "with their reasons"), *(_listed(f.removed) for f in data.figures)),
        (Cell("Turns"), *(Cell(count(f.turns)) for f in data.figures)),
        (Cell("Words by the target"), *(Cell(count(f.imitation_words)) for f in data.figures)),
        (Cell("Sources"), *(_listed(f.sources) for f in data.figures)),
        (Cell("Target models"), *(_listed(f.targets) for f in data.figures)),
        (Cell("Languages"), *(_listed(f.languages, unknown="not looked at") for f in data.figures)),
        (Cell("Terms of use"), *(_listed(f.terms) for f in data.figures)),
        (Cell("Personal data and secrets", "replaced by placeholders"), *(_listed(f.redacted) for f in data.figures)),
        (Cell("Likeness of queries", STUDY_DIVERSITY), *(_diversity(f, notes) for f in data.figures)),
        (Cell("Dialogues with a toxic reply"), *(_toxic(f, notes) for f in data.figures)),
    ]
    return Sheet("data-table", "The imitation data", columns, tuple(rows), tuple(notes.reasons))


def _listed(counts: Mapping[str, int], *, unknown: str = "unknown") -> Cell:
    """The sum, and under it every part, the largest first."""
    if not counts:
        return Cell("0")
    parts = sorted(counts.items(), key=lambda part: (-part[1], part[0]))
    shown = [f"{(name or unknown).replace('_', ' ')} {count(number)}" for name, number in parts[:6]]
    more = [f"{len(parts) - 6} more"] if len(parts) > 6 else []
    return Cell(count(sum(counts.values())), ", ".join([*shown, *more]))


def _diversity(f: DataFigures, notes: Notes) -> Cell:
    if finite(f.diversity_bleu) is None:
        return Cell(MISSING, note=notes.number(NOT_MEASURED))
    return Cell(grade(f.diversity_bleu), f"mean BLEU to the nearest other, {count(f.diversity_queries)} queries")


def _toxic(f: DataFigures, notes: Notes) -> Cell:
    unread = f"{count(f.toxic_unscored)} could not be scored" if f.toxic_unscored else ""
    cell = notes.cell(f.toxic_share, percent, NOT_MEASURED)
    return Cell(cell.text, unread, cell.note)


def leakage_sheet(data: DataResult, support: Mapping[str, float | None]) -> Sheet:
    """What the data repeat of each benchmark, and what the change is without it."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("Items", "searched for"),
        Column("Leaked", "under the policy's limits"),
        Column("Nearest BLEU", "mean over items of the highest"),
        Column("BLEU above 20", "items"),
        Column("8-gram found", "items"),
        Column("13-gram found", "items"),
        Column("Support", "mean highest cosine to 1,000 prompts"),
        Column("Change, clean", "without leaked items, percentage points"),
        Column("Change, leaked", "leaked items alone"),
    )
    changes = {c.benchmark: c for c in data.clean_dirty}
    rows = tuple(
        _leakage_cells(f, leak, changes.get(leak.benchmark), support.get(leak.benchmark), notes)
        for f in data.figures
        for leak in f.leakage
    )
    return Sheet("leakage-table", "Held-out texts found in the imitation data", columns, rows, tuple(notes.reasons))


def _leakage_cells(
    f: DataFigures, leak: BenchmarkLeakage, change: CleanDirty | None, support: float | None, notes: Notes
) -> tuple[Cell, ...]:
    return (
        Cell(leak.benchmark or "held-out prompts", f.name),
        Cell(count(leak.n)),
        Cell(count(leak.dirty)),
        Cell(grade(leak.bleu_mean)),
        Cell(count(leak.bleu_above_20)),
        Cell(count(leak.ngram8_found)),
        Cell(count(leak.ngram13_found)),
        notes.cell(support, ratio, "support is measured for scored benchmarks"),
        *_moved(change, notes),
    )


def _moved(change: CleanDirty | None, notes: Notes) -> tuple[Cell, Cell]:
    """The change on clean and on leaked items."""
    if change is None:
        unknown = Cell(MISSING, note=notes.number("base and imitator have no item scores that name these items"))
        return unknown, unknown
    why = change.reason or "no item of this kind"
    return (
        notes.cell(change.delta_clean, points, why, change.delta_clean_ci),
        notes.cell(change.delta_dirty, points, why, change.delta_dirty_ci),
    )


def categories_sheet(f: DataFigures) -> Sheet:
    """Kinds of queries beside the study's Table 5."""
    notes = Notes()
    columns = (
        Column("Kind of query", numeric=False),
        Column("Share", "estimated over all queries"),
        Column("Classifier alone"),
        Column("Reviewed", "queries read by a person"),
        Column("Study", "Table 5, 50 ShareGPT queries", cited=True),
    )
    rows = tuple(_category_cells(share, notes) for share in f.categories)
    name = f", {f.name}" if f.name else ""
    return Sheet(f"categories-{f.name or 'data'}", f"Kinds of queries{name}", columns, rows, tuple(notes.reasons))


def _category_cells(share: CategoryShare, notes: Notes) -> tuple[Cell, ...]:
    unsure = None if share.ci else notes.number("no interval: nobody has reviewed a sample of these queries")
    return (
        Cell(share.category),
        Cell(percent(share.share), interval(share.ci, percent), unsure),
        Cell(percent(share.classified)),
        Cell(count(share.reviewed)),
        Cell(f"{STUDY_SHARES[share.category]:.0%}"),
    )


def checks_sheet(data: DataResult) -> Sheet:
    """The gate, check by check; what did not hold stands first."""
    columns = (
        Column("Expected of the imitation data", numeric=False),
        Column("Result", numeric=False),
        Column("Observed", numeric=False),
        Column("Dialogues", "that do not comply, the first few", numeric=False),
    )
    ordered = sorted(data.checks, key=lambda check: check.passed)
    rows = tuple(
        (
            Cell(check.name),
            Cell("holds") if check.passed else Cell(check.severity, tone=_TONES[check.severity]),
            Cell(check.observed),
            Cell(", ".join(check.failing[:5]) + (", …" if len(check.failing) > 5 else "") or MISSING),
        )
        for check in ordered
    )
    return Sheet("checks-table", "Quality of the imitation data", columns, rows)


_TONES = {"error": "regressed", "warning": "STYLE_ONLY"}
