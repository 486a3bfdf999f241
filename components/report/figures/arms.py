"""A study's picture: the score of every arm, to set a larger base beside more imitation data."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.verdict import BenchmarkResult, Interval
from components.report.figures.raw_scores import ScoreGroup, ScoreRow, score_chart
from components.report.figures.svg import Svg
from components.report.page_inputs import StudyEntry
from components.report.wording import finite, finite_interval


def arms_figure(entries: Sequence[StudyEntry]) -> Svg:
    """Scores by arm, one block a benchmark; nothing when no arm has a benchmark."""
    groups = score_groups(entries)
    return score_chart("arm-scores", "Scores by arm: base, imitator and target", groups) if groups else Svg("")


def score_groups(entries: Sequence[StudyEntry]) -> tuple[ScoreGroup, ...]:
    """One block a benchmark, in the order they first appear; arms that lack it are left out of its block."""
    names = dict.fromkeys(result.name for entry in entries for result in entry.verdict.benchmarks)
    return tuple(
        ScoreGroup(name, tuple(_arm_row(entry, result) for entry, result in _of(entries, name))) for name in names
    )


def _of(entries: Sequence[StudyEntry], name: str) -> list[tuple[StudyEntry, BenchmarkResult]]:
    return [(entry, result) for entry in entries for result in entry.verdict.benchmarks if result.name == name]


def _arm_row(entry: StudyEntry, result: BenchmarkResult) -> ScoreRow:
    return ScoreRow(
        name=entry.name,
        base=finite(result.base),
        imitator=finite(result.imitator),
        target=finite(result.target),
        ci=_around_imitator(result),
    )


def _around_imitator(result: BenchmarkResult) -> Interval | None:
    """The paired interval of the change, moved to the arm's base: what the change, not the score, leaves open."""
    ci, base = finite_interval(result.delta_ci), finite(result.base)
    if ci is None or base is None:
        return None
    return max(0.0, base + ci[0]), min(1.0, base + ci[1])
