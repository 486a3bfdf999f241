"""From a world's answers to its verdict, the way of an audit: rows in, verdict out."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.evidence_rows import PublishedScore, StyleProfile
from components.contracts.rows import Score
from components.contracts.verdict import Verdict
from components.report.decision import decide
from components.report.joining import PARTS, Part
from pipelines.validity.drawing import Answers, claims, printed, score_rows
from pipelines.validity.worlds import World

RESAMPLES = 200
"""Of prompts, where a style is measured: its interval decides by a wide margin."""


def judged(world: World, drawn: Sequence[Answers], styles: Sequence[StyleProfile]) -> Verdict:
    """The verdict on one data set."""
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
