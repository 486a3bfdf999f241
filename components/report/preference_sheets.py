"""The page's tables about preference: who was preferred, why, by whom, and whether the judge may be believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from components.contracts.preference_results import AdjustedPreference, ConfidentlyWrong, JudgeQualification
from components.contracts.verdict import PreferenceResult, Verdict
from components.report.rater_sheets import rater_sheets
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import MISSING, count, finite, grade, percent, ratio

ARM_NAMES: Mapping[str, str] = {
    "restyled_base": "the base's answer in the target's dress",
    "stylistic_base": "the base, shown examples of the style",
    "corrupted_target": "the target's answer with its facts changed",
    "constant": "one answer to everything",
}
FEATURE_NAMES: Mapping[str, str] = {
    "words": "longer",
    "list_items": "more list items",
    "headers": "more headings",
    "bold_runs": "more bold",
    "has_summary": "closing summary",
    "first_position": "shown first",
}
_YES_NO: Mapping[bool | None, str] = {True: "yes", False: "no", None: "not asked"}


def preference_sheets(verdict: Verdict) -> list[Sheet]:
    """Those that have something to show."""
    made = [
        _preference_sheet(verdict.preference),
        _pull_sheet(verdict.preference),
        _raters_sheet(verdict.preference),
        *rater_sheets(verdict.preference),
        _judges_sheet(verdict.judges),
        _confident_sheet(verdict.confidently_wrong),
    ]
    return [sheet for sheet in made if sheet.rows]


def _preference_sheet(results: Sequence[PreferenceResult]) -> Sheet:
    """Who was preferred, source by source."""
    notes = Notes()
    columns = (
        Column("Source", numeric=False),
        Column("n", "prompts with a readable outcome"),
        Column("Unscored", "prompts without"),
        Column("Won"),
        Column("Tied"),
        Column("Lost"),
        Column("At least as good", "share of prompts won or tied"),
        Column("Style-adjusted", "expected share, ties as half, were both texts alike on the surface"),
        Column("Due to style", "part of the preference explained by style"),
        Column("Order flips", "prompts judged differently in the two orders"),
        Column("Grades", "summed"),
        Column("Judge qualified", "by placebos and people", numeric=False),
    )
    rows = tuple(_preference_cells(row, notes) for row in results)
    return Sheet("preference-table", "Preference", columns, rows, tuple(notes.reasons))


def _preference_cells(row: PreferenceResult, notes: Notes) -> tuple[Cell, ...]:
    fitted = row.adjustment
    why = "the style regression was not fitted" if fitted is None else fitted.reason or "not to be had"
    moved = None if fitted is None or fitted.adjusted_ci is None else _above_half(fitted.adjusted_ci)
    totals = finite(row.score_total) is not None and finite(row.opponent_score_total) is not None
    grades = (
        Cell(grade(row.score_total), f"opponent {grade(row.opponent_score_total)}")
        if totals
        else Cell(MISSING, note=notes.number("the judge gave no grades"))
    )
    remark = notes.number(row.note) if row.note else None
    return (
        Cell(row.source, f"{row.model} against {row.opponent}", note=remark),
        Cell(count(row.n)),
        Cell(count(row.unscored)),
        Cell(count(row.wins)),
        Cell(count(row.ties)),
        Cell(count(row.losses)),
        notes.cell(row.at_least_target, percent, row.note or "no readable outcome", row.ci),
        notes.cell(row.adjusted, percent, why, moved),
        notes.cell(row.style_share, percent, why, None if fitted is None else fitted.style_share_ci),
        notes.whole(row.order_flips, "only one order, or none, was judged"),
        grades,
        Cell(_YES_NO[row.qualified]),
    )


def _above_half(ci: tuple[float, float]) -> tuple[float, float]:
    """Effects are preferences above one half; the page shows shares."""
    return 0.5 + ci[0], 0.5 + ci[1]


def _pull_sheet(results: Sequence[PreferenceResult]) -> Sheet:
    """What pulled the raters."""
    notes = Notes()
    fitted = [(row, row.adjustment) for row in results if row.adjustment is not None and row.adjustment.coefficients]
    names = list(dict.fromkeys(c.feature for _, made in fitted for c in made.coefficients))
    columns = (
        Column("Source", "change of the log-odds per typical difference", numeric=False),
        *(Column(FEATURE_NAMES.get(name, name), key=name) for name in names),
    )
    rows = tuple(
        (Cell(row.source, f"{row.model} against {row.opponent}"), *_pulls(made, names, notes)) for row, made in fitted
    )
    return Sheet("pull-table", "What pulled", columns, rows, tuple(notes.reasons))


def _pulls(made: AdjustedPreference, names: Iterable[str], notes: Notes) -> list[Cell]:
    known = {c.feature: c for c in made.coefficients}
    return [
        notes.cell(known[name].value, ratio, "", known[name].ci)
        if name in known
        else notes.cell(None, ratio, "never differed")
        for name in names
    ]


def _raters_sheet(results: Sequence[PreferenceResult]) -> Sheet:
    """How far several voices agree, and what a judge's share becomes by people's labels."""
    notes = Notes()
    columns = (
        Column("Source", numeric=False),
        Column("Raters"),
        Column("Pairs", "with two voices or more"),
        Column("Agreement", "share of equal pairs of votes"),
        Column("Krippendorff's alpha"),
        Column("Fleiss' kappa"),
        Column("At least as good", "interval with other raters too"),
        Column("By people's labels", "PPI++"),
        Column("By people's labels", "Rogan-Gladen"),
    )
    heard = [row for row in results if row.agreement is not None or any(c.value is not None for c in row.corrected)]
    rows = tuple(_rater_cells(row, notes) for row in heard)
    return Sheet("raters-table", "Raters", columns, rows, tuple(notes.reasons))


def _rater_cells(row: PreferenceResult, notes: Notes) -> tuple[Cell, ...]:
    made = row.agreement
    alone, why = "a single voice", (made.reason if made and made.reason else "cannot be computed from these votes")
    corrected = {c.method: c for c in row.corrected}
    by_labels = [
        notes.cell(c.value, percent, c.reason or "no labels", c.ci) if c else notes.cell(None, percent, "no labels")
        for c in (corrected.get("ppi++"), corrected.get("rogan-gladen"))
    ]
    return (
        Cell(row.source),
        notes.whole(made.num_raters if made else None, alone),
        notes.whole(made.num_items if made else None, alone),
        notes.cell(made.raw if made else None, ratio, why if made else alone),
        notes.cell(made.alpha if made else None, ratio, why if made else alone, made.alpha_ci if made else None),
        notes.cell(made.fleiss if made else None, ratio, why if made else alone),
        notes.cell(row.at_least_target if row.ci_raters else None, percent, alone, row.ci_raters),
        *by_labels,
    )


def _judges_sheet(judges: Sequence[JudgeQualification]) -> Sheet:
    """What each judge did with placebos, and how far it agrees with people."""
    notes = Notes()
    columns = (
        Column("Judge", numeric=False),
        Column("Was given", numeric=False),
        Column("n"),
        Column("Unscored"),
        Column("Preferred the real answer", "ties as half"),
        Column("Fooled", numeric=False),
        Column("Agrees with people"),
        Column("May gate", numeric=False),
    )
    rows = tuple(cells for judge in judges for cells in _judge_rows(judge, notes))
    return Sheet("judges-table", "Judges tried on placebos", columns, rows, tuple(notes.reasons))


def _judge_rows(judge: JudgeQualification, notes: Notes) -> Iterable[tuple[Cell, ...]]:
    people = notes.cell(judge.gold_agreement, percent, "no labels of people", judge.gold_ci)
    remark = notes.number("; ".join(judge.reasons)) if judge.reasons else None
    may = Cell("yes" if judge.qualified else "no", note=remark, tone="gained" if judge.qualified else "regressed")
    if not judge.placebos:
        none = Cell("")
        yield (Cell(judge.source), Cell("no placebo"), none, none, none, none, people, may)
    for number, found in enumerate(judge.placebos):
        yield (
            Cell(judge.source if number == 0 else ""),
            Cell(ARM_NAMES[found.arm], f"against {found.opponent}"),
            Cell(count(found.n)),
            Cell(count(found.unscored)),
            notes.cell(found.opponent_preferred, percent, "no readable verdict", found.ci),
            Cell({True: "yes", False: "no", None: "cannot tell"}[found.fooled]),
            people if number == 0 else Cell(""),
            may if number == 0 else Cell(""),
        )


def _confident_sheet(cells: Sequence[ConfidentlyWrong]) -> Sheet:
    """Tone crossed with error."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("Model", numeric=False),
        Column("n"),
        Column("Unscored", "no tone or no score"),
        Column("Wrong"),
        Column("Sounds sure"),
        Column("Sure and wrong", "the study's Figure 2"),
        Column("Wrong when sure"),
    )
    rows = tuple(_confident_cells(cell, notes) for cell in cells)
    return Sheet("confident-table", "Sure of it, and wrong", columns, rows, tuple(notes.reasons))


def _confident_cells(cell: ConfidentlyWrong, notes: Notes) -> tuple[Cell, ...]:
    none = "no answer has both a tone and a score"
    by = notes.number(f"tone by {cell.scorer}; sure from {ratio(cell.threshold)}")
    return (
        Cell(cell.benchmark, note=by),
        Cell(cell.model, cell.role.replace("_", " ")),
        Cell(count(cell.n)),
        Cell(count(cell.unscored)),
        notes.cell(cell.wrong, percent, none),
        notes.cell(cell.sure, percent, none),
        notes.cell(cell.sure_and_wrong, percent, none, cell.ci),
        notes.cell(cell.wrong_given_sure, percent, "no answer sounds sure", cell.wrong_given_sure_ci),
    )
