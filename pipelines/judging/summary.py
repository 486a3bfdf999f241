"""Judgments as a table: who is preferred, with interval, ties, unscored pairs and order flips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_rows import PLACEBO
from components.report.preferring.preference import preferences

ALPHA = 0.05
RESAMPLES = 2000


class Line(NamedTuple):
    """One candidate before one judge."""

    source: str
    model: str
    opponent: str
    n: int
    """Prompts with an outcome."""
    unscored: int
    wins: int
    ties: int
    losses: int
    at_least: float | None
    """Share of prompts won or tied."""
    interval: tuple[float, float] | None
    """95%, by resampling prompts."""
    order_flips: int | None
    """Prompts on which the two orders disagreed; None = the judge saw no order, or only one."""
    score_total: float | None
    """Sum of the grades over all judgments, where there are grades."""
    opponent_score_total: float | None


def lines(rows: Iterable[Judgment]) -> list[Line]:
    """A line for each source and pair, models before placebos."""
    found = [
        Line(
            result.source,
            result.model,
            result.opponent,
            result.n,
            result.unscored,
            result.wins,
            result.ties,
            result.losses,
            result.at_least_target,
            result.ci,
            result.order_flips,
            result.score_total,
            result.opponent_score_total,
        )
        for result in preferences(rows, models={}, alpha=ALPHA, resamples=RESAMPLES, seed=0)
    ]
    return sorted(found, key=lambda line: (line.source, line.model.startswith(PLACEBO), line.model, line.opponent))


def as_text(found: Sequence[Line]) -> str:
    """The table for a terminal."""
    titles = ["", "against", "n", "unscored", "wins", "ties", "losses", "at least as good", "95% interval", "flips"]
    graded = any(line.score_total is not None for line in found)
    table = [titles + (["grades, sum"] if graded else [])] + [
        [
            line.model,
            line.opponent,
            f"{line.n:,}",
            f"{line.unscored:,}",
            f"{line.wins:,}",
            f"{line.ties:,}",
            f"{line.losses:,}",
            "-" if line.at_least is None else f"{100 * line.at_least:.1f}%",
            "-" if line.interval is None else f"{100 * line.interval[0]:.1f} to {100 * line.interval[1]:.1f}",
            "-" if line.order_flips is None else f"{line.order_flips:,}",
            *([_grades(line)] if graded else []),
        ]
        for line in found
    ]
    widths = [max(len(cells[k]) for cells in table) for k in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k < 2 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in table
    )


def _grades(line: Line) -> str:
    if line.score_total is None or line.opponent_score_total is None:
        return "-"
    return f"{line.score_total:,.1f} : {line.opponent_score_total:,.1f}"
