"""What raters did: agreement with the others, liking for one side, ties, change of time per vote, who was left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from components.contracts.crowd_rows import NOBODY
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import Interval, RaterPool, RaterRecord
from components.report.preferring.voices import Outcome, majority, turned, voices_in, votes_of
from components.report.quantiles import t_quantile, wilson

EXCLUDED = "rater excluded: "
"""How the reason of an unscored judgment begins whose rater broke a rule that was fixed before the data."""


class _Trend(NamedTuple):
    median: float | None
    change: float | None
    ci: Interval | None


def rater_quality(
    judgments: Iterable[Judgment], *, alpha: float, seconds: Mapping[str, Sequence[float]] | None = None
) -> tuple[RaterRecord, ...]:
    """Every rater's record, by name.

    Args:
        judgments: Votes of one source, any number of pairs of models.
        alpha: Intervals are at 1 - alpha.
        seconds: Rater -> time of each vote, in the order in which they were given.
    """
    votes: dict[str, list[Judgment]] = {}
    pairs: dict[tuple[str, str], list[Judgment]] = {}
    for row in judgments:
        if row.rater == NOBODY:
            continue
        votes.setdefault(row.rater, []).append(row)
        one_way = row if row.model <= row.opponent else turned(row)
        pairs.setdefault((one_way.model, one_way.opponent), []).append(one_way)
    agreed = _agreed([voices_in(raters) for rows in pairs.values() for raters in votes_of(rows).values()])
    return tuple(
        _record(rater, votes[rater], agreed.get(rater, []), alpha, (seconds or {}).get(rater, ()))
        for rater in sorted(votes)
    )


def rater_pool(judgments: Sequence[Judgment], *, alpha: float) -> RaterPool | None:
    """The raters of one source together; null for a single voice.

    Args:
        judgments: All votes of the source, each rater's in the order in which they were given.
        alpha: Intervals are at 1 - alpha.
    """
    seconds: dict[str, list[float]] = {}
    for row in judgments:
        if row.seconds is not None:
            seconds.setdefault(row.rater, []).append(row.seconds)
    records = rater_quality(judgments, alpha=alpha, seconds=seconds)
    if len(records) < 2:
        return None
    out = {record.rater for record in records if record.left_out is not None}
    changes = [math.log1p(one.time_trend) for one in records if one.time_trend is not None and one.rater not in out]
    share, interval = _first(judgments, alpha)
    trend, trend_ci = _mean_change(changes, alpha)
    return RaterPool(
        num_raters=len(records),
        num_left_out=len(out),
        num_left_out_votes=sum(row.rater in out for row in judgments),
        first_share=share,
        first_ci=interval,
        time_trend=trend,
        time_trend_ci=trend_ci,
        num_timed=len(changes),
        records=records,
    )


def _first(judgments: Iterable[Judgment], alpha: float) -> tuple[float | None, Interval | None]:
    """Share of the picks that went to what was shown first, with the interval of a ratio of raters' sums.

    The variance of k / n over raters is R / (R - 1) sum (k_r - share n_r)^2 / n^2 (Cochran 1977, section 2.11), with
    Student's t of R - 1 around the log-odds. Where all picks are alike there is no spread: Wilson's of so many raters.
    """
    picks: dict[str, list[bool]] = {}
    for row in judgments:
        if row.outcome in {"win", "loss"} and row.order != "none":
            picks.setdefault(row.rater, []).append((row.outcome == "win") == (row.order == "model_first"))
    if not picks:
        return None, None
    first, each = (np.array([count(one) for one in picks.values()], dtype=float) for count in (sum, len))
    share, raters = float(first.sum() / each.sum()), len(picks)
    if raters < 2:
        return share, None
    if share in {0.0, 1.0}:
        return share, wilson(int(share) * raters, raters, alpha)
    spread = math.sqrt(raters / (raters - 1) * float(((first - share * each) ** 2).sum())) / float(each.sum())
    half = t_quantile(1 - alpha / 2, raters - 1) * spread / (share * (1 - share))
    low, high = special.expit(special.logit(share) + np.array([-half, half]))
    return share, (float(low), float(high))


def _mean_change(changes: Sequence[float], alpha: float) -> tuple[float | None, Interval | None]:
    """Geometric mean of the raters' factors, less 1, with Student's interval over raters; `changes` are logarithms."""
    if not changes:
        return None, None
    mean = float(np.mean(changes))
    if len(changes) < 2:
        return math.expm1(mean), None
    half = t_quantile(1 - alpha / 2, len(changes) - 1) * float(np.std(changes, ddof=1)) / math.sqrt(len(changes))
    return math.expm1(mean), (math.expm1(mean - half), math.expm1(mean + half))


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
) -> RaterRecord:
    readable = [row for row in rows if row.outcome is not None]
    picks = [
        (row.outcome == "win") == (row.order == "model_first")
        for row in readable
        if row.outcome != "tie" and row.order != "none"
    ]
    ties = sum(row.outcome == "tie" for row in readable)
    trend = _trend(seconds, alpha)
    return RaterRecord(
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
        left_out=_left_out(rows),
    )


def _left_out(rows: Sequence[Judgment]) -> str | None:
    """The rule, where no vote counts and a rule says why; votes that did not count before keep a reason of theirs."""
    if any(row.outcome is not None for row in rows):
        return None
    told = next((row.unscored for row in rows if row.unscored and row.unscored.startswith(EXCLUDED)), None)
    return None if told is None else told.removeprefix(EXCLUDED)


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
