"""What raters are owed: the time that they took at an hourly rate, never less than the reward they were promised.

A page left open is not paid for hours, and a quick reader does not lose by a slow one: the time of an item is cut at a
multiple of the median time that people took for the same pair. Money is counted in whole cents.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.crowd_rows import PayLine

MIN_FOR_MEDIAN = 3
"""People without whose times a pair has no median of its own; the study's median then stands for it."""


class PayRules(BaseModel):
    """The rate, and how far measured time is trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    usd_per_hour: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 15.0
    """What an hour of rating is worth; the study paid about 15."""
    cap_factor: Annotated[float, Field(ge=1.0, allow_inf_nan=False)] = 3.0
    """An item is paid for at most so many times the median that people took for it."""
    cap_seconds: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 600.0
    """And never for more than this."""
    reading_seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 60.0
    """Paid once for the instructions, which are not measured."""
    max_bonus_usd: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 20.0
    """No rater gets a larger bonus without a person looking at it."""


class TimedVote(NamedTuple):
    """One vote and how long it took."""

    rater: str
    pair_id: str
    seconds: float | None
    """From page to vote; None = not measured (the clock jumped), the median is paid."""


def pay_ledger(
    votes: Iterable[TimedVote], rewards_cents: Mapping[str, int], rules: PayRules | None = None
) -> list[PayLine]:
    """One line per rater, by rater.

    Formula, in seconds and cents: paid(i) = min(t_i, cap_factor x m_i, cap_seconds) with m_i the median of the times
    for pair i over raters; due = ceil(rate x (reading + sum of paid(i)) / 3600); owed = max(due, reward).

    Args:
        votes: Every vote of every rater, excluded ones too: work is paid whether or not it counts in the result.
        rewards_cents: Rater -> what was paid or promised for assignments; raters without are paid by time alone.
        rules: The rate and the caps.
    """
    rules = rules or PayRules()
    by_rater: dict[str, list[TimedVote]] = {rater: [] for rater in rewards_cents}
    all_votes = list(votes)
    for vote in all_votes:
        by_rater.setdefault(vote.rater, []).append(vote)
    medians = _Medians(all_votes)
    return [
        _line(rater, given, rewards_cents.get(rater, 0), medians, rules) for rater, given in sorted(by_rater.items())
    ]


class _Medians:
    """Typical seconds of every pair."""

    def __init__(self, votes: Sequence[TimedVote]) -> None:
        times: dict[str, list[float]] = defaultdict(list)
        for vote in votes:
            if vote.seconds is not None and vote.seconds >= 0.0:
                times[vote.pair_id].append(vote.seconds)
        everything = [seconds for of_pair in times.values() for seconds in of_pair]
        self.overall = statistics.median(everything) if everything else 0.0
        self._pairs = {
            pair: statistics.median(of_pair) for pair, of_pair in times.items() if len(of_pair) >= MIN_FOR_MEDIAN
        }

    def of(self, pair_id: str) -> float:
        return self._pairs.get(pair_id, self.overall)


def _line(rater: str, votes: Sequence[TimedVote], reward: int, medians: _Medians, rules: PayRules) -> PayLine:
    measured = paid = 0.0
    num_capped = 0
    for vote in votes:
        typical = medians.of(vote.pair_id)
        seconds = typical if vote.seconds is None or vote.seconds < 0.0 else vote.seconds
        cap = min(rules.cap_factor * typical, rules.cap_seconds)
        measured += seconds
        paid += min(seconds, cap)
        num_capped += seconds > cap
    hours = (paid + rules.reading_seconds) / 3600 if votes else 0.0
    # Rounded first: 15.000000001 cents are fifteen.
    by_time = math.ceil(round(rules.usd_per_hour * 100 * hours, 6))
    due = max(by_time, reward)
    bonus = min(due - reward, round(rules.max_bonus_usd * 100))
    note = f"bonus cut from {(due - reward) / 100:.2f} to {bonus / 100:.2f} USD" if bonus < due - reward else ""
    return PayLine(
        rater=rater,
        num_items=len(votes),
        num_capped=num_capped,
        measured_seconds=measured,
        paid_seconds=paid,
        due_usd=due / 100,
        reward_usd=reward / 100,
        bonus_usd=bonus / 100,
        note=note,
    )
