"""What each rater did: agreement with the others, liking for one side, ties, and whether time per vote changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import Interval
from components.report.preferring.voices import Outcome, majority, turned, voices_in, votes_of
from components.report.quantiles import t_quantile, wilson


class RaterQuality(BaseModel):
    """One rater's record. Nobody is excluded by it: rules of exclusion are fixed before the data."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rater: str
    """The voice's name."""
    n: int
    """Readable votes."""
    num_shared: int
    """Pairs on which the other raters have a strict majority to agree with."""
    agreement: float | None
    """Share of those on which this rater says the same."""
    agreement_ci: Interval | None
    """Wilson's interval."""
    first_share: float | None
    """Share of picks that went to the output shown first; one half = no liking for a side. Ties are no picks."""
    first_ci: Interval | None
    """Wilson's interval."""
    tie_share: float | None
    """Share of votes that are ties."""
    median_seconds: float | None
    """Time per vote; null when times are not given."""
    time_trend: float | None
    """Change of time per vote over the session, last vote against first, as a factor less 1; -0.5 = twice as fast."""
    time_trend_ci: Interval | None
    """Its interval, from least squares on log seconds."""


class _Trend(NamedTuple):
    median: float | None
    change: float | None
    ci: Interval | None


def rater_quality(
    judgments: Iterable[Judgment], *, alpha: float, seconds: Mapping[str, Sequence[float]] | None = None
) -> tuple[RaterQuality, ...]:
    """Every rater's record, by name.

    Args:
        judgments: Votes of one source, any number of pairs of models.
        alpha: Intervals are at 1 - alpha.
        seconds: Rater -> time of each vote, in the order in which they were given.
    """
    votes: dict[str, list[Judgment]] = {}
    pairs: dict[tuple[str, str], list[Judgment]] = {}
    for row in judgments:
        votes.setdefault(row.rater, []).append(row)
        one_way = row if row.model <= row.opponent else turned(row)
        pairs.setdefault((one_way.model, one_way.opponent), []).append(one_way)
    agreed = _agreed([voices_in(raters) for rows in pairs.values() for raters in votes_of(rows).values()])
    return tuple(
        _record(rater, votes[rater], agreed.get(rater, []), alpha, (seconds or {}).get(rater, ()))
        for rater in sorted(votes)
    )


def _agreed(voices: Iterable[Mapping[str, Outcome]]) -> dict[str, list[bool]]:
    """Rater -> on each item where the others have a strict majority, whether it said the same."""
    found: dict[str, list[bool]] = {}
    for votes in voices:
        for rater, vote in votes.items():
            others = [other for name, other in votes.items() if name != rater]
            held = majority(others)
            if held is not None and 2 * others.count(held) > len(others):
                found.setdefault(rater, []).append(vote == held)
    return found


def _record(
    rater: str, rows: Sequence[Judgment], agreed: Sequence[bool], alpha: float, seconds: Sequence[float]
) -> RaterQuality:
    readable = [row for row in rows if row.outcome is not None]
    picks = [
        (row.outcome == "win") == (row.order == "model_first")
        for row in readable
        if row.outcome != "tie" and row.order != "none"
    ]
    ties = sum(row.outcome == "tie" for row in readable)
    trend = _trend(seconds, alpha)
    return RaterQuality(
        rater=rater,
        n=len(readable),
        num_shared=len(agreed),
        agreement=_share(agreed),
        agreement_ci=wilson(sum(agreed), len(agreed), alpha) if agreed else None,
        first_share=_share(picks),
        first_ci=wilson(sum(picks), len(picks), alpha) if picks else None,
        tie_share=ties / len(readable) if readable else None,
        median_seconds=trend.median,
        time_trend=trend.change,
        time_trend_ci=trend.ci,
    )


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _trend(seconds: Sequence[float], alpha: float) -> _Trend:
    """Least squares of log seconds on the vote's place in the session, from 0 to 1, so that the slope is the change."""
    times = np.array([value for value in seconds if value > 0])
    if not len(times):
        return _Trend(None, None, None)
    median, df = float(np.median(times)), len(times) - 2
    if df < 1:
        return _Trend(median, None, None)
    place = np.linspace(0, 1, len(times)) - 0.5
    logs = np.log(times)
    slope = float(place @ logs / (place @ place))
    left = logs - logs.mean() - slope * place
    half = t_quantile(1 - alpha / 2, df) * math.sqrt(float(left @ left) / df / float(place @ place))
    return _Trend(median, math.expm1(slope), (math.expm1(slope - half), math.expm1(slope + half)))
