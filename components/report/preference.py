"""Who was preferred: raters and orders reduced to one outcome a prompt, and the share of prompts not lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Judgment, Role
from components.contracts.verdict import Interval, PreferenceResult
from components.report.quantiles import wilson

Outcome = Literal["win", "tie", "loss"]
_OPPOSITE: Mapping[Outcome, Outcome] = {"win": "loss", "tie": "tie", "loss": "win"}
_OTHER_ORDER: Mapping[str, Literal["model_first", "opponent_first", "none"]] = {
    "model_first": "opponent_first",
    "opponent_first": "model_first",
    "none": "none",
}


class _Pair(NamedTuple):
    source: str
    model: str
    opponent: str


def preferences(
    judgments: Iterable[Judgment], *, models: Mapping[Role, str], alpha: float, resamples: int, seed: int
) -> tuple[PreferenceResult, ...]:
    """One result for each source and pair of models; imitator against target first, then as they appear.

    Args:
        judgments: Rows of any number of sources and pairs; a pair may be written either way round.
        models: Role -> name, to know which of a pair is under test.
        alpha: Intervals are at 1 - alpha.
        resamples: Of prompts, never of votes: the interval is conditional on the raters.
        seed: Of the bootstrap.

    Raises:
        TouchstoneError: one rater judged a prompt twice in the same order.
    """
    pairs: dict[_Pair, list[Judgment]] = {}
    for row in judgments:
        row = _canonical(row, pairs, models)
        pairs.setdefault(_Pair(row.source, row.model, row.opponent), []).append(row)
    wanted = (models.get("imitator"), models.get("target"))
    ordered = sorted(pairs, key=lambda pair: (pair.model, pair.opponent) != wanted)
    return tuple(
        _summary(pair, pairs[pair], alpha, resamples, np.random.default_rng([seed, 2, number]))
        for number, pair in enumerate(ordered)
    )


def _canonical(row: Judgment, known: Mapping[_Pair, object], models: Mapping[Role, str]) -> Judgment:
    """The row with its pair the one way round in which it is counted."""
    reverse = _Pair(row.source, row.opponent, row.model)
    if row.opponent != models.get("imitator") and not (reverse in known and row.model != models.get("imitator")):
        return row
    return row.model_copy(
        update={
            "model": row.opponent,
            "opponent": row.model,
            "outcome": None if row.outcome is None else _OPPOSITE[row.outcome],
            "order": _OTHER_ORDER[row.order],
            "score": row.opponent_score,
            "opponent_score": row.score,
        }
    )


def _summary(
    pair: _Pair, rows: Sequence[Judgment], alpha: float, resamples: int, rng: np.random.Generator
) -> PreferenceResult:
    orders = {row.order for row in rows} - {"none"}
    prompts, flips = _outcomes(pair, rows, both_orders=len(orders) == 2)
    counts = Counter(prompts.values())
    n = counts["win"] + counts["tie"] + counts["loss"]
    share = (counts["win"] + counts["tie"]) / n if n else None
    return PreferenceResult(
        source=pair.source,
        model=pair.model,
        opponent=pair.opponent,
        n=n,
        unscored=counts[None],
        at_least_target=share,
        ci=share_interval(n - counts["loss"], n, alpha=alpha, resamples=resamples, rng=rng) if n else None,
        wins=counts["win"],
        ties=counts["tie"],
        losses=counts["loss"],
        order_flips=flips,
        score_total=_total([row.score for row in rows]),
        opponent_score_total=_total([row.opponent_score for row in rows]),
        adjusted=None,
        style_share=None,
        qualified=None,
        note=_note(orders, rows, n),
    )


def share_interval(successes: int, n: int, *, alpha: float, resamples: int, rng: np.random.Generator) -> Interval:
    """Percentile interval of a share over resampled prompts; Wilson's at 0 or 1, where every resample is the same.

    Resampling n outcomes of which k count is drawing a binomial of (n, k/n), so no prompt is drawn by itself.
    """
    if successes in (0, n):
        return wilson(successes, n, alpha)
    shares = rng.binomial(n, successes / n, size=resamples) / n
    low, high = np.quantile(shares, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _outcomes(
    pair: _Pair, rows: Sequence[Judgment], *, both_orders: bool
) -> tuple[dict[str, Outcome | None], int | None]:
    """Outcome of each prompt (None = unreadable), and on how many prompts a rater's two orders disagreed."""
    votes: dict[str, dict[str, dict[str, Outcome | None]]] = {}
    for row in rows:
        orders = votes.setdefault(row.prompt_id, {}).setdefault(row.rater, {})
        if row.order in orders:
            raise TouchstoneError(
                f"{pair.source}: {row.rater} judged {pair.model} against {pair.opponent} on prompt {row.prompt_id}"
                " twice in the same order",
                expected="one judgment for each rater, prompt and order",
                remedy="give repeated votes a rater name of their own, or remove the duplicates",
            )
        orders[row.order] = row.outcome
    outcomes: dict[str, Outcome | None] = {}
    flips = 0
    for prompt, raters in votes.items():
        flips += any(_disagree(orders) for orders in raters.values())
        outcomes[prompt] = majority([_one_voice(orders) for orders in raters.values()])
    return outcomes, flips if both_orders else None


def _disagree(orders: Mapping[str, Outcome | None]) -> bool:
    return len(set(orders.values()) - {None}) > 1


def _one_voice(orders: Mapping[str, Outcome | None]) -> Outcome | None:
    """A rater's outcome over the orders shown; disagreement is a tie, an unreadable half leaves it unknown."""
    found = set(orders.values())
    if None in found:
        return None
    return found.pop() if len(found) == 1 else "tie"


def majority(votes: Sequence[Outcome | None]) -> Outcome | None:
    """The outcome that more than half of the readable votes name, else a tie; None when none is readable."""
    readable = [vote for vote in votes if vote is not None]
    if not readable:
        return None
    outcome, count = Counter(readable).most_common(1)[0]
    return outcome if 2 * count > len(readable) else "tie"


def _total(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return float(sum(known)) if known else None


def _note(orders: Collection[str], rows: Sequence[Judgment], n: int) -> str | None:
    if n == 0:
        return "no judgment could be read"
    notes = []
    if not orders:
        notes.append("the judge saw no order")
    elif len(orders) == 1:
        notes.append("judged in one order only: a liking for the first or second place cannot be seen")
    if len({row.rater for row in rows}) > 1:
        notes.append("the interval holds for these raters")
    return "; ".join(notes) or None
