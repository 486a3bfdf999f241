"""Who was preferred: raters and orders reduced to one outcome a prompt, and the share of prompts not lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import AdjustedPreference
from components.contracts.preference_rows import GoldLabel, StyleFeatures
from components.contracts.rows import Role
from components.contracts.verdict import Interval, PreferenceResult
from components.report.preferring.agreement import agreement
from components.report.preferring.corrected_rates import corrected
from components.report.preferring.rater_quality import rater_pool
from components.report.preferring.rater_resampling import rater_interval
from components.report.preferring.style_preference import adjust
from components.report.preferring.voices import disagree, majority, one_voice, turned, voices_in, votes_of
from components.report.quantiles import wilson


class _Pair(NamedTuple):
    source: str
    model: str
    opponent: str


class _Bootstrap(NamedTuple):
    alpha: float
    resamples: int
    seed: int


def preferences(
    judgments: Iterable[Judgment],
    *,
    models: Mapping[Role, str],
    alpha: float,
    resamples: int,
    seed: int,
    features: Iterable[StyleFeatures] = (),
    gold: Iterable[GoldLabel] = (),
) -> tuple[PreferenceResult, ...]:
    """One result for each source and pair of models; imitator against target first, then as they appear.

    Args:
        judgments: Rows of any number of sources and pairs; a pair may be written either way round.
        models: Role -> name, to know which of a pair is under test.
        alpha: Intervals are at 1 - alpha.
        resamples: Of prompts, never of votes: `ci` is conditional on the raters, `ci_raters` is not.
        seed: Of the bootstrap.
        features: Surface of the outputs; none = no adjustment for style. All pairs of a source are fitted together.
        gold: People's labels, to correct the shares by.

    Raises:
        TouchstoneError: one rater judged a prompt twice in the same order, or features or labels contradict each other.
    """
    pairs: dict[_Pair, list[Judgment]] = {}
    for row in judgments:
        row = _canonical(row, pairs, models)
        pairs.setdefault(_Pair(row.source, row.model, row.opponent), []).append(row)
    wanted = (models.get("imitator"), models.get("target"))
    ordered = sorted(pairs, key=lambda pair: (pair.model, pair.opponent) != wanted)
    features, gold, bootstrap = list(features), list(gold), _Bootstrap(alpha, resamples, seed)
    results = []
    for number, pair in enumerate(ordered):
        result = _summary(pair, pairs[pair], gold, bootstrap, np.random.default_rng([seed, 2, number]))
        if features:
            votes = [row for other, rows in pairs.items() if other.source == pair.source for row in rows]
            adjusted = adjust(votes, features, (pair.model, pair.opponent), alpha, resamples, seed)
            result = _with_adjustment(result, adjusted)
        results.append(result)
    return tuple(results)


def _canonical(row: Judgment, known: Mapping[_Pair, object], models: Mapping[Role, str]) -> Judgment:
    """The row with its pair the one way round in which it is counted."""
    reverse = _Pair(row.source, row.opponent, row.model)
    if row.opponent != models.get("imitator") and not (reverse in known and row.model != models.get("imitator")):
        return row
    return turned(row)


def _summary(
    pair: _Pair,
    rows: Sequence[Judgment],
    gold: Sequence[GoldLabel],
    bootstrap: _Bootstrap,
    rng: np.random.Generator,
) -> PreferenceResult:
    orders = {row.order for row in rows} - {"none"}
    votes = votes_of(rows)
    both = any(len(shown.keys() - {"none"}) == 2 for raters in votes.values() for shown in raters.values())
    prompts = {prompt: majority([one_voice(shown) for shown in raters.values()]) for prompt, raters in votes.items()}
    flips = sum(any(disagree(shown) for shown in raters.values()) for raters in votes.values())
    voices = {prompt: voices_in(raters) for prompt, raters in votes.items()}
    several = len({name for said in voices.values() for name in said}) > 1
    # Two sums can be set side by side only over the same prompts.
    graded = [row for row in rows if row.score is not None and row.opponent_score is not None] or rows
    alpha, resamples, seed = bootstrap
    counts = Counter(prompts.values())
    n = counts["win"] + counts["tie"] + counts["loss"]
    return PreferenceResult(
        source=pair.source,
        model=pair.model,
        opponent=pair.opponent,
        n=n,
        unscored=counts[None],
        at_least_target=(counts["win"] + counts["tie"]) / n if n else None,
        ci=share_interval(n - counts["loss"], n, alpha=alpha, resamples=resamples, rng=rng) if n else None,
        wins=counts["win"],
        ties=counts["tie"],
        losses=counts["loss"],
        order_flips=flips if both else None,
        score_total=_total([row.score for row in graded]),
        opponent_score_total=_total([row.opponent_score for row in graded]),
        adjusted=None,
        style_share=None,
        qualified=None,
        note=_note(orders, rows, n),
        ci_raters=rater_interval(voices, alpha=alpha, resamples=resamples, seed=seed) if several else None,
        agreement=agreement(voices, alpha=alpha, resamples=resamples, seed=seed) if several else None,
        raters=rater_pool(rows, alpha=alpha),
        corrected=corrected(prompts, gold, (pair.model, pair.opponent), alpha=alpha),
    )


def _with_adjustment(result: PreferenceResult, adjustment: AdjustedPreference) -> PreferenceResult:
    """The result with what the style regression says; a preference above one half is a share again."""
    note = result.note
    if adjustment.num_prompts < result.n:
        left = f"style features of both outputs are known on {adjustment.num_prompts} of {result.n} prompts"
        note = f"{note}; {left}" if note else left
    return result.model_copy(
        update={
            "adjusted": None if adjustment.adjusted is None else 0.5 + adjustment.adjusted,
            "style_share": adjustment.style_share,
            "adjustment": adjustment,
            "note": note,
        }
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
