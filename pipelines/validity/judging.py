"""Two ways from a world's answers to its verdict: the rows an audit reads, and the same arrays without rows.

The second is many times faster and proven equal to the first on a sample of every world (`tests/validity`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.contracts.evidence_rows import PublishedScore, StyleProfile
from components.contracts.rows import Score
from components.contracts.verdict import StyleResult, Verdict
from components.report.benchmark_results import Evidence, assess
from components.report.closeness import measured_style
from components.report.decision import decide, verdict_of
from components.report.joining import PARTS, Drops, ItemTable, Part
from components.report.rules import Court
from components.report.support_sets import Coverage
from pipelines.validity.drawing import Answers, claims, printed, score_rows
from pipelines.validity.worlds import Task, World

RESAMPLES = 500
"""Of prompts, where a style is measured: its interval decides by a wide margin."""
OUTSIDE = Coverage(supported=False, support=None, source="declared")


def by_rows(world: World, drawn: Sequence[Answers], styles: Sequence[StyleProfile]) -> Verdict:
    """Rows in, verdict out."""
    rows: dict[Part, list[Score]] = {part: [] for part in PARTS}
    numbers: list[PublishedScore] = []
    for task, answered in zip(world.tasks, drawn, strict=True):
        numbers += printed(task, answered).values()
        for part in PARTS:
            if part not in task.published:
                rows[part] += score_rows(task, answered, part)
    return decide(
        base_scores=rows["base"],
        imitator_scores=rows["imitator"],
        target_scores=rows["target"],
        published=numbers,
        profiles=styles,
        claims=claims(world),
        policy=world.policy,
        resamples=RESAMPLES,
    )


def style_of(world: World, styles: Sequence[StyleProfile]) -> StyleResult:
    """The style that `by_rows` finds in the same profiles."""
    return measured_style(styles, alpha=world.policy.alpha, resamples=RESAMPLES, seed=0)


def by_arrays(world: World, drawn: Sequence[Answers], style: StyleResult) -> Court:
    """The same verdict without rows."""
    evidence = [
        Evidence.of(task.name, _table(task, answered), printed(task, answered), OUTSIDE)
        for task, answered in zip(world.tasks, drawn, strict=True)
    ]
    return Court(assess(evidence, world.policy), style, world.policy)


def verdict_by_arrays(world: World, drawn: Sequence[Answers], style: StyleResult) -> Verdict:
    """The same, as a verdict."""
    return verdict_of(by_arrays(world, drawn, style))


def _table(task: Task, answered: Answers) -> ItemTable | None:
    measured = [part for part in PARTS if part not in task.published]
    if not measured:
        return None
    values: Mapping[Part, np.ndarray] = {part: answered.values[part].copy() for part in measured}
    lacks = answered.lacks.astype(bool)
    unscored = np.zeros(task.n, dtype=bool)
    for part in measured:
        unscored |= np.isnan(values[part]) & ~(lacks if part == "target" else np.zeros(task.n, dtype=bool))
    if "target" in values:
        values["target"][lacks] = np.nan
    drops = Drops(dict.fromkeys(measured, task.n), 0, int(unscored.sum()), int(lacks.sum()))
    return ItemTable(task.name, values, answered.clusters, drops)
