"""How far a judge agrees with people's labels: the same pairs, prompt by prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import Interval
from components.contracts.preference_rows import GoldLabel
from components.report.preferring.preference import preferences
from components.report.quantiles import clopper_pearson

DRAWS_AT_ONCE = 250
"""Resamples drawn together; bounds memory, changes no number."""
Key = tuple[str, frozenset[str]]
"""Prompt and the two models, whichever way round."""


class Matches(NamedTuple):
    """Labelled pairs that a judge was asked about."""

    by_prompt: Mapping[str, list[bool]]
    """Prompt -> for each of its pairs that was readably judged: does the judge say what people say?"""
    unread: int
    """Pairs whose verdict could not be read."""

    @property
    def n(self) -> int:
        """Pairs that were readably judged."""
        return sum(len(hits) for hits in self.by_prompt.values())


def by_pair(gold: Iterable[GoldLabel]) -> dict[Key, GoldLabel]:
    """Labels by what they label.

    Raises:
        TouchstoneError: a pair is labelled twice on a prompt.
    """
    found: dict[Key, GoldLabel] = {}
    for label in gold:
        key = (label.prompt_id, frozenset((label.model, label.opponent)))
        if key in found:
            raise TouchstoneError(
                f"{label.model} against {label.opponent} is labelled twice on prompt {label.prompt_id}",
                expected="one label for each prompt and pair",
                remedy="give the majority of the people who judged it",
            )
        found[key] = label
    return found


def matches(rows: Iterable[Judgment], labels: Mapping[Key, GoldLabel]) -> Matches:
    """Hold one judge's rows against people's labels; orders and raters are reduced as everywhere."""
    labelled: dict[Key, list[Judgment]] = {}
    for row in rows:
        key = (row.prompt_id, frozenset((row.model, row.opponent)))
        if key in labels:
            labelled.setdefault(key, []).append(row)
    found: dict[str, list[bool]] = {}
    unread = 0
    for key, votes in labelled.items():
        label = labels[key]
        # One prompt at a time: n is 1, or 0 where the verdict could not be read.
        (judged,) = preferences(votes, models={"imitator": label.model}, alpha=0.5, resamples=1, seed=0)
        unread += judged.unscored
        if judged.n:
            said = {"win": judged.wins, "tie": judged.ties, "loss": judged.losses}
            found.setdefault(label.prompt_id, []).append(bool(said[label.outcome]))
    return Matches(found, unread)


def agreement(
    matched: Matches, *, alpha: float, resamples: int, rng: np.random.Generator
) -> tuple[float | None, Interval | None]:
    """Share of labelled pairs judged as people do; several pairs on one prompt are resampled together.

    Where all pairs agree, or none, every resample is the same: Clopper and Pearson's interval over prompts then, since
    prompts, not pairs, are independent.
    """
    if not matched.by_prompt:
        return None, None
    sizes = np.array([len(hits) for hits in matched.by_prompt.values()])
    hits = np.array([sum(found) for found in matched.by_prompt.values()])
    share = float(hits.sum() / sizes.sum())
    if share in (0.0, 1.0):
        return share, clopper_pearson(len(sizes) if share else 0, len(sizes), alpha)
    even = np.full(len(sizes), 1 / len(sizes))
    drawn = []
    for start in range(0, resamples, DRAWS_AT_ONCE):
        weights = rng.multinomial(len(sizes), even, size=min(DRAWS_AT_ONCE, resamples - start))
        drawn.append((weights @ hits) / (weights @ sizes))
    low, high = np.quantile(np.concatenate(drawn), [alpha / 2, 1 - alpha / 2])
    return share, (float(low), float(high))
