"""Confident but wrong: authoritative tone crossed with factual error, item by item (the study's Figure 2)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar, get_args

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.preference_results import ConfidentlyWrong, Interval
from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Channel, Role, Score
from components.report.clustered import Codes, Floats, clustered_means
from components.report.joining import CHANNELS
from components.report.quantiles import t_quantile, wilson

SURE_FROM = 0.5
"""Tone from which an answer counts as sure. 0.5 is the lexical score's neutral point: an answer without any mark of
doubt, or with as many claims as doubts. A bare assertion is read as knowledge, so it counts; below, doubts outweigh
claims and the reader is warned. Fixed, not tuned: a threshold chosen after the fact could make the cell any size."""

R = TypeVar("R", ToneScore, Score)


def confidently_wrong(
    tones: Iterable[ToneScore],
    scores: Iterable[Score],
    models: Mapping[Role, str],
    *,
    alpha: float,
    threshold: float = SURE_FROM,
) -> tuple[ConfidentlyWrong, ...]:
    """One entry for each benchmark, role and tone scorer; benchmarks as they first appear, then roles in their order.

    Args:
        tones: How sure answers sound.
        scores: Whether they are right; one score for each item, model and channel (the headline). Benchmarks without
            tones give no entry.
        models: Role -> name, as in the rows.
        alpha: Intervals are at 1 - alpha.
        threshold: Tone from which an answer counts as sure.

    A score between 0 and 1 counts as wrong to the rest. An item that lacks its tone or its score is unscored, and so is
    one with two tones or scores that differ under a name that several roles bear: rows carry the name alone, so nothing
    says which answer is whose.

    Raises:
        TouchstoneError: an item of a name with one role scored or rated twice.
    """
    borne = Counter(models.values())
    rated: dict[tuple[str, str, str], dict[str, ToneScore | None]] = {}
    for tone in tones:
        _add(rated.setdefault((tone.benchmark, tone.model, tone.scorer), {}), tone, "a tone", borne)
    wanted = {(benchmark, model) for benchmark, model, _ in rated}
    scored: dict[tuple[str, str], dict[str, Score | None]] = {}
    for score in _one_reading([row for row in scores if (row.benchmark, row.model) in wanted]):
        _add(scored.setdefault((score.benchmark, score.model), {}), score, "a score", borne)
    order = list(dict.fromkeys(benchmark for benchmark, _, _ in rated))
    roles: list[Role] = [role for role in get_args(Role) if role in models]
    found = []
    for benchmark in order:
        for role in roles:
            for (name, model, scorer), its in rated.items():
                if (name, model) == (benchmark, models[role]):
                    table = _table(its, scored.get((benchmark, model), {}), threshold)
                    found.append(_entry(benchmark, role, model, scorer, table, threshold, alpha))
    return tuple(found)


def _one_reading(scores: Sequence[Score]) -> list[Score]:
    """The scores of the channel that the verdict uses too: the first of a benchmark's that all its models have."""
    found: dict[str, dict[str, set[Channel]]] = {}
    for row in scores:
        found.setdefault(row.benchmark, {}).setdefault(row.model, set()).add(row.channel)
    chosen = {
        benchmark: next((channel for channel in CHANNELS if all(channel in its for its in models.values())), None)
        for benchmark, models in found.items()
    }
    return [row for row in scores if row.channel == chosen[row.benchmark]]


def _add(rows: dict[str, R | None], row: R, what: str, borne: Mapping[str, int]) -> None:
    """Keep a row; None where a name of several roles has two that differ."""
    if row.item_id not in rows:
        rows[row.item_id] = row
    elif borne.get(row.model, 0) > 1:
        rows[row.item_id] = row if rows[row.item_id] == row else None
    else:
        raise TouchstoneError(
            f"{row.benchmark}: item {row.item_id} of {row.model} has {what} twice",
            expected="one score and one tone for each item and model",
            remedy="give the headline scores, and tones made from them",
        )


class _Table(NamedTuple):
    """Items with both a tone and a score."""

    sure: Floats
    """(n,) 0 or 1."""
    wrong: Floats
    """(n,) in [0, 1]."""
    clusters: Codes
    """(n,)"""
    unscored: int


def _table(tones: Mapping[str, ToneScore | None], scores: Mapping[str, Score | None], threshold: float) -> _Table:
    sure, wrong, codes = [], [], []
    numbers: dict[tuple[str, str], int] = {}
    for item, score in scores.items():
        row = tones.get(item)
        tone = row.authoritative if row else None
        if score is not None and tone is not None and score.value is not None:
            sure.append(float(tone >= threshold))
            wrong.append(1.0 - score.value)
            group = ("cluster", score.cluster) if score.cluster else ("item", item)
            codes.append(numbers.setdefault(group, len(numbers)))
    everything = len(scores.keys() | tones.keys())
    return _Table(np.array(sure), np.array(wrong), np.array(codes, dtype=np.int64), everything - len(sure))


def _entry(
    benchmark: str, role: Role, model: str, scorer: str, table: _Table, threshold: float, alpha: float
) -> ConfidentlyWrong:
    n = len(table.sure)
    both = table.sure * table.wrong
    share_sure = float(table.sure.mean()) if n else None
    given = float(both.sum() / table.sure.sum()) if share_sure else None
    return ConfidentlyWrong(
        benchmark=benchmark,
        role=role,
        model=model,
        scorer=scorer,
        threshold=threshold,
        n=n,
        unscored=table.unscored,
        wrong=float(table.wrong.mean()) if n else None,
        sure=share_sure,
        sure_and_wrong=float(both.mean()) if n else None,
        ci=_interval(float(both.mean()), both, table.clusters, alpha) if n else None,
        wrong_given_sure=given,
        wrong_given_sure_ci=None if given is None else _given_interval(given, table, alpha),
    )


def _given_interval(given: float, table: _Table, alpha: float) -> Interval | None:
    """Interval of the ratio R = mean(sure x wrong) / mean(sure), from the spread of its linearised terms

        R + sure x (wrong - R) / mean(sure)

    whose mean is R (Woodruff 1971); clusters as everywhere.
    """
    terms = given + table.sure * (table.wrong - given) / table.sure.mean()
    kept = table.sure > 0
    return _interval(given, terms, table.clusters, alpha, edge_clusters=table.clusters[kept], n=int(kept.sum()))


def _interval(
    share: float,
    terms: Floats,
    clusters: Codes,
    alpha: float,
    *,
    edge_clusters: Codes | None = None,
    n: int | None = None,
) -> Interval | None:
    """Cluster-robust t interval of a share, cut off at 0 and 1; None with a single cluster.

    Args:
        share: The mean of `terms`.
        terms: (n,) what is averaged.
        clusters: (n,) labels.
        alpha: The interval is at 1 - alpha.
        edge_clusters: Labels of the items that the share speaks of, where those are fewer.
        n: Their number.

    1/n^2 is added to the variance, as for every 0/1 benchmark (method section 5). At 0 and 1 there is no spread to
    measure: Wilson's interval of as many independent answers as there are clusters.
    """
    joint = clustered_means(terms[:, None], clusters)
    if joint.num_clusters < 2:
        return None
    if share in (0.0, 1.0):
        count = len(np.unique(clusters if edge_clusters is None else edge_clusters))
        return wilson(count if share else 0, count, alpha)
    variance = float(joint.covariance[0, 0]) + 1 / (n or len(terms)) ** 2
    half = t_quantile(1 - alpha / 2, joint.df) * math.sqrt(variance)
    return max(0.0, share - half), min(1.0, share + half)
