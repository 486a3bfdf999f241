"""The page's tables as data: every number of the verdict, and under each table why a missing one is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from components.contracts.verdict import BenchmarkResult, Interval, Pooled, StyleMetric, Verdict
from components.report.wording import (
    MISSING,
    count,
    finite,
    interval,
    joined,
    metric_number,
    metric_title,
    p_value,
    percent,
    points,
    ratio,
    support_words,
    typeset,
)

Number = Callable[[float | None], str]


@dataclass(frozen=True)
class Cell:
    """One cell; `sub` is the interval under the number, `note` the footnote that explains a dash."""

    text: str
    sub: str = ""
    note: int | None = None
    tone: str = ""
    """CSS class of a label that carries a judgement."""
    href: str = ""
    """Where the text leads; a relative address."""
    title: str = ""
    """What a pointer or a screen reader is told of that."""


@dataclass(frozen=True)
class Column:
    """A heading with its longer meaning."""

    title: str
    meaning: str = ""
    numeric: bool = True
    key: str = ""
    """Name of the number in the column, where it is not the same in every verdict."""
    cited: bool = False
    """Numbers of literature: no rows stand behind them."""


@dataclass
class Notes:
    """Numbered footnotes of one table; the same reason gets the same number."""

    reasons: list[str] = field(default_factory=list)

    def number(self, reason: str) -> int:
        """The footnote's number, 1-based."""
        reason = typeset(reason)
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1

    def cell(self, value: float | None, number: Number, why: str, ci: Interval | None = None) -> Cell:
        """A number with its interval, or a dash with its reason."""
        if finite(value) is None:
            return Cell(MISSING, note=self.number(why))
        return Cell(number(value), interval(ci, number))

    def whole(self, value: int | None, why: str) -> Cell:
        """A count, or a dash with its reason."""
        return Cell(count(value)) if value is not None else Cell(MISSING, note=self.number(why))


@dataclass(frozen=True)
class Sheet:
    """A table; the first cell of every row is its heading."""

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def scores_sheet(verdict: Verdict) -> Sheet:
    """What was measured on each benchmark."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("n", "items with a score for base and imitator"),
        Column("Unscored", "items whose answer could not be scored"),
        Column("Base", "mean score"),
        Column("Imitator", "mean score"),
        Column("Target", "mean score"),
        Column("Change", "imitator minus base, percentage points"),
        Column("Gap", "target minus base, percentage points"),
        Column("Gap closed", "change divided by gap"),
        Column("Alone it says", numeric=False),
    )
    rows = tuple(_score_cells(result, notes) for result in verdict.benchmarks)
    return Sheet("scores-table", "Scores per benchmark", columns, rows, tuple(notes.reasons))


def _score_cells(b: BenchmarkResult, notes: Notes) -> tuple[Cell, ...]:
    why_closed = b.gap_closed_reason or "no reason recorded"
    closed = notes.cell(b.gap_closed, ratio, why_closed, b.gap_closed_ci)
    if closed.note is None and not closed.sub:
        closed = Cell(closed.text, "no interval", notes.number(why_closed))
    shots = "" if b.num_shots is None else f"{b.num_shots}-shot"
    unpaired = "" if b.paired else "published numbers, not paired"
    return (
        Cell(b.name, ", ".join(part for part in (shots, unpaired) if part)),
        Cell(count(b.n)),
        Cell(count(b.unscored)),
        notes.cell(b.base, percent, "the base has no score here"),
        notes.cell(b.imitator, percent, "the imitator has no score here"),
        notes.cell(b.target, percent, "the target was not measured here"),
        notes.cell(b.delta, points, "base or imitator has no score here", b.delta_ci),
        notes.cell(b.gap, points, "base or target has no score here", b.gap_ci),
        closed,
        Cell(b.label, tone=b.label.replace(" ", "-")),
    )


def tests_sheet(verdict: Verdict) -> Sheet:
    """How sure each benchmark is, and what it could have seen."""
    notes = Notes()
    columns: tuple[Column, ...] = (
        Column("Benchmark", numeric=False),
        Column("p, any change", "two-sided, unadjusted"),
        Column("p, gain", "one-sided, Holm-adjusted over benchmarks"),
        Column("p, regression", "one-sided against the regression margin, Holm-adjusted"),
        Column("p, McNemar", "exact, 0/1 scores of single items only"),
        Column("Clusters", "independent groups of items behind the interval"),
        Column("Detectable", "smallest change found with 80% power at this n, percentage points"),
        Column("n needed", "items that would settle it"),
        Column("Support", "whether the imitation data cover it", numeric=False),
        Column("Sources", "of published numbers", numeric=False),
    )
    rows = [_test_cells(result, notes) for result in verdict.benchmarks]
    if any(b.delta_ci_clustered for b in verdict.benchmarks):
        # Last, and only where some benchmark has it: MMLU's subjects.
        columns = (
            *columns,
            Column("Change, other subjects", "interval of the change by whole clusters, percentage points"),
        )
        rows = [(*cells, _carried(b, notes)) for cells, b in zip(rows, verdict.benchmarks, strict=True)]
    return Sheet("tests-table", "Tests and power per benchmark", columns, tuple(rows), tuple(notes.reasons))


def _carried(b: BenchmarkResult, notes: Notes) -> Cell:
    """How far a change on subjects that were chosen would carry to others of the kind."""
    if b.delta_ci_clustered is None:
        return Cell(MISSING, note=notes.number("the interval of its change is by whole clusters already"))
    return Cell(interval(b.delta_ci_clustered, points))


def _test_cells(b: BenchmarkResult, notes: Notes) -> tuple[Cell, ...]:
    no_test = "no variance to test with"
    return (
        Cell(b.name),
        notes.cell(b.p, p_value, no_test),
        notes.cell(b.p_gain_holm, p_value, no_test),
        notes.cell(b.p_regression_holm, p_value, no_test),
        notes.cell(b.p_mcnemar, p_value, "McNemar's test needs 0/1 scores and one item a cluster"),
        notes.whole(b.num_clusters, "published numbers have no clusters"),
        notes.cell(b.mde, _size, "no variance to compute it from"),
        notes.whole(b.n_needed, "settled, or more items would not settle it"),
        Cell(support_words(b)),
        Cell("; ".join(b.sources) or MISSING, note=None if b.sources else notes.number("computed from item scores")),
    )


def _size(value: float | None) -> str:
    return points(value).removeprefix("+")


def pooled_sheet(verdict: Verdict) -> Sheet:
    """The three sets of the policy."""
    notes = Notes()
    columns = (Column("Set", numeric=False), Column("Benchmarks", numeric=False), Column("Gap closed"))
    sets = (
        ("Not covered by the imitation data, or unknown", verdict.pooled.unsupported),
        ("Covered by the imitation data", verdict.pooled.supported),
        ("Both together", verdict.pooled.all),
    )
    rows = tuple(_pooled_cells(name, part, notes) for name, part in sets)
    return Sheet("pooled-table", "Gap closed, pooled", columns, rows, tuple(notes.reasons))


def _pooled_cells(name: str, part: Pooled, notes: Notes) -> tuple[Cell, ...]:
    why = part.reason or ("no benchmark in this set" if not part.benchmarks else "no reason recorded")
    closed = notes.cell(part.gap_closed, ratio, why, part.ci)
    if closed.note is None and not closed.sub:
        closed = Cell(closed.text, "no interval", notes.number(why))
    return Cell(name), Cell(joined(part.benchmarks) or "none"), closed


def style_sheet(verdict: Verdict) -> Sheet:
    """The study's Table 2, with a closeness for every row."""
    notes = Notes()
    style = verdict.style
    columns = (
        Column("Metric", numeric=False),
        Column("Base", "agreement with the target"),
        Column("Imitator", "agreement with the target"),
        Column("Ceiling", "identity with the target" if style.lower_bound else "second sample of the target"),
        Column("Closeness", "0 = base, 1 = ceiling"),
        Column("Counted", "enters the overall closeness", numeric=False),
    )
    rows = [_metric_cells(name, metric, notes) for name, metric in style.metrics.items()]
    why = style.reason or "no style metric was measurable"
    total = notes.cell(style.closeness, ratio, why, style.ci)
    if total.note is None and not total.sub:
        total = Cell(total.text, "no interval", notes.number(why))
    prompts = f"{count(style.n)} prompts" if style.n else ""
    rows.append((Cell("Overall", prompts), Cell(""), Cell(""), Cell(""), total, Cell("")))
    return Sheet("style-table", "Agreement of style with the target", columns, tuple(rows), tuple(notes.reasons))


def _metric_cells(name: str, metric: StyleMetric, notes: Notes) -> tuple[Cell, ...]:
    number = metric_number(name)
    why = metric.reason or "not measured"
    closeness = notes.cell(metric.closeness, ratio, why, metric.ci)
    if closeness.note is None and not closeness.sub:
        closeness = Cell(closeness.text, "no interval", notes.number(metric.reason or "no prompts to resample"))
    counted = Cell("yes") if metric.measurable else Cell("no", note=notes.number(why) if metric.reason else None)
    return (
        Cell(metric_title(name), name),
        notes.cell(metric.base, number, why),
        notes.cell(metric.imitator, number, why),
        notes.cell(metric.ceiling, number, why),
        closeness,
        counted,
    )
