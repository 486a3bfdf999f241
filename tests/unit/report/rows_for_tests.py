"""Rows for tests, with as little typing as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.contracts.evidence_rows import Judgment, PublishedScore, StyleProfile
from components.contracts.rows import Role, Score


def scores(
    values: Sequence[float | None], *, benchmark: str = "nq", model: str = "m", cluster: Sequence[str] | None = None
) -> list[Score]:
    """One score an item, items i0, i1, ...; None = unscored."""
    return [
        Score(
            item_id=f"i{i}",
            benchmark=benchmark,
            model=model,
            value=value,
            unscored="refused" if value is None else None,
            cluster=cluster[i] if cluster else "",
        )
        for i, value in enumerate(values)
    ]


def counted(n: int, share: float, *, shift: int = 0) -> list[float]:
    """n 0/1 values with the given share of ones, the ones starting at `shift`."""
    ones = round(n * share)
    return [1.0 if (i - shift) % n < ones else 0.0 for i in range(n)]


def published(
    benchmark: str, values: Mapping[Role, float], *, n: int = 3610, rounding: float = 0.01
) -> list[PublishedScore]:
    """Published numbers of one benchmark."""
    return [
        PublishedScore(
            benchmark=benchmark, role=role, model=role, value=value, n=n, source="a paper", rounding=rounding
        )
        for role, value in values.items()
    ]


def profiles(closeness: float, *, n: int = 200, second: bool = True, seed: int = 0) -> list[StyleProfile]:
    """Styles of a base, an imitator `closeness` of the way to the target, the target and its second sample."""
    rng = np.random.default_rng(seed)
    way: dict[Role, float] = {"base": 0.0, "imitator": closeness, "target_second": 1.0}
    if not second:
        del way["target_second"]
    rows = []
    for i in range(n):
        target_words = int(rng.integers(50, 400))
        lists, closes = bool(rng.random() < 0.5), bool(rng.random() < 0.4)
        rows.append(profile(i, "target", target_words, lists, closes, 100.0, 0.9))
        for role, w in way.items():
            follows = rng.random(2) < 0.1 + 0.8 * w
            words = int(0.8 * w * target_words + (1 - 0.8 * w) * rng.integers(50, 400))
            f1 = float(np.clip(20 + 28 * w + rng.normal(0, 5), 0, 100))
            tone = float(np.clip(0.5 + 0.4 * w + rng.normal(0, 0.1), 0, 1))
            rows.append(profile(i, role, words, bool(lists & follows[0]), bool(closes & follows[1]), f1, tone))
    return rows


def profile(
    prompt: int,
    role: Role,
    words: int,
    has_list: bool,
    has_summary: bool,
    f1: float,
    tone: float | None,
    *,
    english: bool = True,
) -> StyleProfile:
    """One profile."""
    return StyleProfile(
        prompt_id=f"p{prompt}",
        role=role,
        model=f"the {role}",
        words=words,
        has_list=has_list,
        has_summary=has_summary,
        unigram_f1=f1,
        authoritative=tone,
        english=english,
    )


def judgment(
    prompt: str,
    outcome: str | None,
    *,
    rater: str = "r",
    order: str = "model_first",
    source: str = "gpt-4",
    model: str = "imitator",
    opponent: str = "target",
    scores: tuple[float, float] | None = None,
) -> Judgment:
    """One judgment."""
    return Judgment.model_validate(
        {
            "prompt_id": prompt,
            "source": source,
            "rater": rater,
            "model": model,
            "opponent": opponent,
            "outcome": outcome,
            "unscored": "unreadable" if outcome is None else None,
            "order": order,
            "score": scores[0] if scores else None,
            "opponent_score": scores[1] if scores else None,
        }
    )
