"""Many finished verdicts on one page: sorted, filtered by verdict without a script, every run linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

from markupsafe import Markup

from components.contracts.verdict import VerdictWord
from components.report.figures.arms import arms_figure
from components.report.figures.style_closeness import closeness_by_arm
from components.report.html import interval_level, page_template, safe_href
from components.report.markdown import as_sentence, escaped, table
from components.report.page_inputs import PolicyLimits, StudyEntry
from components.report.prose import and_list
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.study_view import benchmark_names, gap_cell, result_of, taken_cell
from components.report.wording import (
    VERDICT_MEANINGS,
    VERDICT_TITLES,
    clean,
    finite,
    model_names,
    percent,
    ratio,
)

Order = Literal["verdict", "gap", "style", "preferred", "name"]
WORDS: tuple[VerdictWord, ...] = get_args(VerdictWord)
MOST_BENCHMARKS = 8
"""Columns; the reports have them all."""
MOST_DRAWN = 12
"""Runs in the pictures; more cannot be told apart."""


class Filter(NamedTuple):
    """A verdict that runs can be shown by."""

    word: VerdictWord
    title: str
    runs: int


def in_order(entries: Sequence[StudyEntry], order: Order) -> list[StudyEntry]:
    """Runs sorted: by verdict from CAPABILITY down and by gap closed within, or by one number, the largest first.

    A run without the number comes last.
    """
    if order == "name":
        return sorted(entries, key=lambda entry: entry.name)
    keys: dict[str, Callable[[StudyEntry], float | None]] = {
        "verdict": lambda entry: entry.verdict.pooled.all.gap_closed,
        "gap": lambda entry: entry.verdict.pooled.all.gap_closed,
        "style": lambda entry: entry.verdict.style.closeness,
        "preferred": lambda entry: entry.verdict.preference[0].at_least_target if entry.verdict.preference else None,
    }

    def key(entry: StudyEntry) -> tuple[int, bool, float, str]:
        number = finite(keys[order](entry))
        place = WORDS.index(entry.verdict.verdict) if order == "verdict" else 0
        return place, number is None, -(number or 0.0), entry.name

    return sorted(entries, key=key)


def render_runs_html(entries: Sequence[StudyEntry], *, title: str) -> str:
    """The page.

    Args:
        entries: In the order in which they are shown.
        title: Heading.
    """
    limits = PolicyLimits.from_provenance(entries[0].verdict.provenance)
    drawn = entries[:MOST_DRAWN]
    closeness = [
        (e.name, e.verdict.style.closeness, e.verdict.style.ci, e.verdict.style.reason or "")
        for e in drawn
        if e.verdict.style.metrics
    ]
    return page_template("runs.html.j2").render(
        page_title=clean(title),
        entries=[(entry, safe_href(entry.href)) for entry in entries],
        filters=filters(entries),
        remarks=remarks(entries),
        sheet=runs_sheet(entries),
        row_classes=[entry.verdict.verdict for entry in entries],
        figures={
            "scores": Markup(arms_figure(drawn)),
            "style": Markup(closeness_by_arm(closeness, limits)) if closeness else Markup(""),
        },
        drawn=len(drawn),
        words=VERDICT_TITLES,
        meanings=VERDICT_MEANINGS,
        level=interval_level(limits),
    )


def render_runs_markdown(entries: Sequence[StudyEntry], *, title: str) -> str:
    """The page's twin."""
    counted = and_list([f"{f.runs} {f.title.lower()}" for f in filters(entries)])
    said = [
        f"- {escaped(e.name)}: **{VERDICT_TITLES[e.verdict.verdict]}.** {as_sentence(e.verdict.reason)}"
        for e in entries
    ]
    parts = [f"# {escaped(title)}", f"{len(entries)} runs: {counted}.", table(runs_sheet(entries))]
    parts += ["\n".join(f"- {escaped(line)}" for line in remarks(entries)), "## What each says", "\n".join(said)]
    return "\n\n".join(filter(None, parts)) + "\n"


def filters(entries: Sequence[StudyEntry]) -> list[Filter]:
    """The verdicts that occur, in their order."""
    counted = Counter(entry.verdict.verdict for entry in entries)
    return [Filter(word, VERDICT_TITLES[word], counted[word]) for word in WORDS if counted[word]]


def remarks(entries: Sequence[StudyEntry]) -> list[str]:
    """What a reader must know before setting one run beside another."""
    found = []
    rules = {entry.verdict.policy.digest: entry.verdict.policy.name for entry in entries}
    if len(rules) > 1:
        names = Counter(rules.values())
        listed = and_list([f"{name} in {n} versions" if n > 1 else name for name, n in sorted(names.items())])
        found.append(
            f"The runs were decided by different rules ({listed}); touchstone verdict DIR --policy NAME says what other"
            " rules make of one."
        )
    for role in ("target", "base"):
        models = Counter(model_names(entry.verdict)[role] for entry in entries)
        if len(models) > 1:
            listed = and_list([f"{name} ({number})" for name, number in models.most_common(5)])
            more = f" and {len(models) - 5} more" if len(models) > 5 else ""
            found.append(
                f"Not one {role} but {len(models)}: {listed}{more}. Shares of a gap are then of different gaps."
            )
    if len(entries) > 1:
        found.append("The best of several runs looks better than it is: no interval here allows for having chosen.")
    return found


def runs_sheet(entries: Sequence[StudyEntry]) -> Sheet:
    """One row a run."""
    notes = Notes()
    names = benchmark_names(entries)
    shown = names[:MOST_BENCHMARKS]
    columns: tuple[Column, ...] = (
        Column("Run", "imitator, on its base", numeric=False),
        Column("Verdict", numeric=False),
        Column("Gap closed", "pooled over benchmarks"),
        *(Column(name, "gap closed") for name in shown),
        Column("Style", "closeness"),
        Column("Preferred", "share at least as good as the target"),
        Column("Got worse", numeric=False),
    )
    rows = [_cells(entry, shown, notes) for entry in entries]
    if any(entry.verdict.attribution for entry in entries):
        columns = (*columns, Column("Taken for the target", "share of answers, by a classifier"))
        rows = [(*cells, taken_cell(entry, notes)) for cells, entry in zip(rows, entries, strict=True)]
    left = f" ({len(names) - len(shown)} more benchmarks in the reports)" if len(names) > len(shown) else ""
    return Sheet("runs-table", f"Runs side by side{left}", columns, tuple(rows), tuple(notes.reasons))


def _cells(entry: StudyEntry, shown: Sequence[str], notes: Notes) -> tuple[Cell, ...]:
    verdict, models = entry.verdict, model_names(entry.verdict)
    first = verdict.preference[0] if verdict.preference else None
    pooled, style = verdict.pooled.all, verdict.style
    gate = "" if verdict.gate == "pass" else "gate not passed"
    return (
        Cell(entry.name, f"{models['imitator']}, on {models['base']}", href=safe_href(entry.href) or ""),
        Cell(VERDICT_TITLES[verdict.verdict], gate, tone=verdict.verdict),
        notes.cell(pooled.gap_closed, ratio, pooled.reason or "no benchmark was measured", pooled.ci),
        *(gap_cell(result_of(entry, name), notes) for name in shown),
        notes.cell(style.closeness, ratio, style.reason or "style was not measured", style.ci),
        notes.cell(first.at_least_target if first else None, percent, "no judgments", first.ci if first else None),
        Cell(", ".join(verdict.regressed) or "none"),
    )
