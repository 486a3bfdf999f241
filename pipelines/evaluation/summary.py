"""Scores of one model as a table: every benchmark with n, unscored and an interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.rows import Channel, Completion, PromptStyle, Score
from components.report.clustered import clustered_means
from components.report.fieller import confidence

ALPHA = 0.05


class Line(NamedTuple):
    """One benchmark, put and read in one way."""

    benchmark: str
    prompt_style: PromptStyle
    channel: Channel
    headline: bool
    n: int
    """Items with a score."""
    unscored: int
    mean: float | None
    interval: tuple[float, float] | None
    """95%, clustered; null where there is no variance to compute it from."""


class Gap(NamedTuple):
    """Why something has no score or no answer."""

    of: str
    """A benchmark, or PROMPTS."""
    n: int
    reason: str


PROMPTS = "held-out prompts"


def gaps(headline: Iterable[Score], completions: Iterable[Completion], mark: str) -> list[Gap]:
    """Reasons of unscored items and unanswered prompts, the most frequent of each benchmark first.

    Args:
        headline: Scores that an audit compares.
        completions: All replies of the model.
        mark: What the ids of requests for held-out prompts begin with.
    """
    found = Counter((row.benchmark, row.unscored) for row in headline if row.unscored is not None)
    told = (row for row in completions if row.prompt_id.startswith(mark))
    found += Counter((PROMPTS, row.unanswered) for row in told if row.unanswered is not None)
    order = list(dict.fromkeys(of for of, _ in found))
    made = [Gap(of, n, reason) for (of, reason), n in found.items()]
    return sorted(made, key=lambda gap: (order.index(gap.of), -gap.n, gap.reason))


def lines(rows: Iterable[Score], headline: Collection[tuple[str, str, str]]) -> list[Line]:
    """One line a benchmark, prompt style and channel, the headline's first.

    Args:
        rows: All scores of one model.
        headline: (item, channel, style) of the headline's rows.
    """
    groups: dict[tuple[str, bool, PromptStyle, Channel], list[Score]] = {}
    for row in rows:
        chosen = (row.item_id, row.channel, row.prompt_style) in headline
        groups.setdefault((row.benchmark, chosen, row.prompt_style, row.channel), []).append(row)
    chosen_ways = {(benchmark, style, channel) for benchmark, chosen, style, channel in groups if chosen}
    found = [
        _line(benchmark, style, channel, members, headline=chosen)
        for (benchmark, chosen, style, channel), members in groups.items()
        # The rest of the headline's own way are the items set aside for choosing the style.
        if chosen or (benchmark, style, channel) not in chosen_ways
    ]
    order = list(dict.fromkeys(line.benchmark for line in found))
    return sorted(found, key=lambda line: (order.index(line.benchmark), not line.headline))


def _line(benchmark: str, style: PromptStyle, channel: Channel, rows: Sequence[Score], *, headline: bool) -> Line:
    scored = [row for row in rows if row.value is not None]
    mean, interval = _mean(scored)
    return Line(benchmark, style, channel, headline, len(scored), len(rows) - len(scored), mean, interval)


def _mean(rows: Sequence[Score]) -> tuple[float | None, tuple[float, float] | None]:
    if not rows:
        return None, None
    names = [row.cluster or f"item {row.item_id}" for row in rows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    values = np.array([[row.value] for row in rows], dtype=np.float64)
    joint = clustered_means(values, np.array([numbers[name] for name in names], dtype=np.int64))
    ends = confidence(float(joint.means[0]), float(joint.covariance[0, 0]), joint.df, ALPHA)
    known = all(map(math.isfinite, ends)) and ends[0] < ends[1]
    return float(joint.means[0]), (max(ends[0], 0.0), min(ends[1], 1.0)) if known else None


def as_text(found: Sequence[Line], missing: Sequence[Gap] = ()) -> str:
    """The table for a terminal, and below it why items of the headline have no score."""
    titles = ("", "asked", "read", "n", "unscored", "mean", "95% interval")
    table = [titles] + [
        (
            f"{line.benchmark}{' *' if line.headline else ''}",
            line.prompt_style,
            line.channel,
            f"{line.n:,}",
            f"{line.unscored:,}",
            "-" if line.mean is None else f"{100 * line.mean:.1f}",
            "-" if line.interval is None else f"{100 * line.interval[0]:.1f} to {100 * line.interval[1]:.1f}",
        )
        for line in found
    ]
    widths = [max(len(cells[k]) for cells in table) for k in range(len(titles))]
    text = [
        "  ".join(
            cell.ljust(width) if k < 3 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in table
    ]
    reasons = [f"unscored, {gap.of}: {gap.n:,} {gap.reason}" for gap in missing]
    return "\n".join([*text, "* the headline: what an audit compares", *reasons])
