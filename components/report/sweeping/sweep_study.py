"""What a sweep's cells say together: capability against style, and curves over data and bases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from components.contracts.rows import Score
from components.contracts.sweep_results import Axis, CellSummary, Curve, SweepStudy
from components.contracts.sweep_rows import Cell
from components.report.comparison import Gain, contrast
from components.report.policy import Policy
from components.report.sweeping.scaling_fit import Sweep, fit
from components.report.sweeping.sweep_cells import PAGE_FILE, FinishedCell
from components.report.wording import joined, points, ratio, untypeset


def study(cells: Sequence[FinishedCell], *, title: str, policy: Policy, resamples: int, seed: int) -> SweepStudy:
    """Set the cells side by side.

    Args:
        cells: Finished, in the order of the sweep.
        title: Heading.
        policy: Its alpha, and which benchmarks are behaviour and no capability.
        resamples: Of the curves' intervals.
        seed: Of the resampling.
    """
    summaries = _unbeaten([_summary(cell, policy) for cell in cells])
    curves = tuple(
        chain(_curves(cells, "amount", policy, resamples, seed), _curves(cells, "base", policy, resamples, seed))
    )
    return SweepStudy(title=title, cells=tuple(summaries), curves=curves, findings=tuple(_findings(summaries, curves)))


def _summary(found: FinishedCell, policy: Policy) -> CellSummary:
    verdict = found.verdict
    change = _change(found, policy)
    return CellSummary(
        cell=found.cell,
        parameters=found.parameters,
        verdict=verdict.verdict,
        reason=verdict.reason,
        change=change.value if change else None,
        change_ci=change.ci if change else None,
        gap_closed=verdict.pooled.all.gap_closed,
        gap_closed_ci=verdict.pooled.all.ci,
        closeness=verdict.style.closeness,
        closeness_ci=verdict.style.ci,
        preferred=verdict.preference[0].at_least_target if verdict.preference else None,
        regressed=verdict.regressed,
        unbeaten=False,
        page=f"{found.cell.name}/{PAGE_FILE}",
    )


def _change(found: FinishedCell, policy: Policy) -> Gain | None:
    arms = [_capability(found.scores(role), policy) for role in ("imitator", "base")]
    if not all(arms):
        return None
    return contrast(arms, (1.0, -1.0), policy.alpha)


def _capability(rows: Iterable[Score], policy: Policy) -> list[Score]:
    return [row for row in rows if not policy.is_behaviour(row.benchmark)]


def _unbeaten(cells: Sequence[CellSummary]) -> list[CellSummary]:
    """The cells with the Pareto-optimal ones marked; one without both numbers is neither beaten nor beats."""
    at = {c.cell.name: (c.closeness, c.change) for c in cells if c.closeness is not None and c.change is not None}

    def beaten(own: tuple[float, float]) -> bool:
        return any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in at.values())

    return [c.model_copy(update={"unbeaten": c.cell.name in at and not beaten(at[c.cell.name])}) for c in cells]


def _curves(cells: Sequence[FinishedCell], axis: Axis, policy: Policy, resamples: int, seed: int) -> Iterable[Curve]:
    """A curve for every benchmark and every line of cells that differ along `axis` alone."""
    lines: dict[tuple[object, ...], list[FinishedCell]] = defaultdict(list)
    for found in cells:
        lines[_rest(found.cell, axis)].append(found)
    for line in lines.values():
        sizes = [_size(found, axis) for found in line]
        if None in sizes or len(set(sizes)) < len(line) or len(line) < 2:
            continue
        line = sorted(line, key=lambda found: _size(found, axis) or 0)
        for benchmark in dict.fromkeys(b.name for b in line[0].verdict.benchmarks):
            made = _curve(line, benchmark, axis, policy, resamples, seed)
            if made is not None:
                yield made


def _rest(cell: Cell, axis: Axis) -> tuple[object, ...]:
    shared = (cell.data, cell.mitigation, cell.alpha, cell.seed)
    return (*shared, cell.base) if axis == "amount" else (*shared, cell.amount)


def _size(found: FinishedCell, axis: Axis) -> int | None:
    return found.cell.amount if axis == "amount" else found.parameters


def _curve(
    line: Sequence[FinishedCell], benchmark: str, axis: Axis, policy: Policy, resamples: int, seed: int
) -> Curve | None:
    models = [_of(found.scores("imitator"), benchmark) for found in line]
    bases = [_of(found.scores("base"), benchmark) for found in line]
    target = _of(line[0].scores("target"), benchmark)
    shared = sorted(set(target).intersection(*models, *bases))
    labels = [target[item].cluster or item for item in shared]
    if len(set(labels)) < 2:
        return None

    def column(rows: dict[str, Score]) -> list[float]:
        return [float(rows[item].value or 0.0) for item in shared]

    values = np.array([column(rows) for rows in models]).T
    sweep = Sweep.of_items(
        [float(_size(found, axis) or 0) for found in line],
        values,
        np.unique(labels, return_inverse=True)[1].astype(np.int64),
        goal=np.array(column(target)),
    )
    unit = "dialogues" if axis == "amount" else "parameters"
    return Curve(
        benchmark=benchmark,
        axis=axis,
        cells=tuple(found.cell.name for found in line),
        label=_label(line[0].cell, axis),
        fit=fit(sweep, unit=unit, alpha=policy.alpha, resamples=resamples, seed=seed),
        bases=tuple(float(np.mean(column(rows))) for rows in bases),
    )


def _of(rows: Iterable[Score], benchmark: str) -> dict[str, Score]:
    return {row.item_id: row for row in rows if row.benchmark == benchmark and row.value is not None}


def _label(cell: Cell, axis: Axis) -> str:
    arm = "" if cell.mitigation == "plain" else f", {cell.mitigation}"
    what = f"{cell.base} base, {cell.data} data" if axis == "amount" else f"{cell.amount:,} {cell.data} dialogues"
    return f"{what}{arm}" + (f", seed {cell.seed}" if cell.seed else "")


def _findings(cells: Sequence[CellSummary], curves: Sequence[Curve]) -> Iterable[str]:
    words: dict[str, list[str]] = defaultdict(list)
    for summary in cells:
        words[summary.verdict].append(summary.cell.name)
    if len(cells) > 1:
        counted = (f"{len(names)} {word}" for word, names in sorted(words.items(), key=lambda pair: -len(pair[1])))
        yield f"Verdicts of {len(cells)} imitators: {joined(list(counted))}."
    for curve in curves:
        yield f"{curve.benchmark}, {curve.label}: {curve.fit.sentence}"
    arms = {summary.cell.mitigation for summary in cells}
    best = [summary for summary in cells if summary.unbeaten]
    if len(arms) > 1 and best:
        told = (f"{s.cell.name} (style {ratio(s.closeness)}, change {points(s.change)} points)" for s in best)
        yield untypeset(f"No other cell has more style and more capability than {joined(list(told))}.")
