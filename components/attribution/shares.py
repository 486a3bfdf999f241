"""From single attributions to shares with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from components.attribution.texts import Floats, Material
from components.contracts.attribution_rows import AttributedText, Attribution, AuthorShare, Classifier

Interval = tuple[float, float]
FEW_CLUSTERS = 10
"""Below so many, resampled clusters say too little."""


class Uncertainty(NamedTuple):
    """How intervals are made."""

    alpha: float
    """An interval covers 1 - alpha."""
    resamples: int
    seed: int


def share_interval(hits: npt.NDArray[np.bool_], clusters: Sequence[str], how: Uncertainty) -> Interval:
    """Interval of a share by resampling whole clusters: percentiles of sum(hits) / sum(texts) over the drawn clusters.

    Wilson's (1927) over the clusters instead where nothing varies (a share of 0 or 1) or they are fewer than ten; of
    clusters of one text these are the texts.

    Args:
        hits: Of each text, whether it counts.
        clusters: Of each text, which others stand or fall with it.
        how: Level, resamples, seed.
    """
    names, place = np.unique(np.array(clusters), return_inverse=True)
    share = float(hits.mean())
    if share in (0.0, 1.0) or len(names) < FEW_CLUSTERS:
        return wilson(share, len(names), how.alpha)
    sums, sizes = np.bincount(place, weights=hits.astype(float)), np.bincount(place).astype(float)
    drawn = _draws(len(names), how.resamples, how.seed)
    values: Floats = (drawn @ sums) / (drawn @ sizes)
    low, high = np.quantile(values, [how.alpha / 2, 1 - how.alpha / 2])
    return float(low), float(high)


@lru_cache(maxsize=1)
def _draws(clusters: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each cluster is drawn, resamples x clusters: the same for every share of the same clusters."""
    return np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)


def wilson(share: float, n: int, alpha: float) -> Interval:
    """Wilson's score interval of a share of n, at 1 - alpha."""
    z = float(norm.ppf(1 - alpha / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


class Said(NamedTuple):
    """What one classifier said in all tests."""

    classifier: Classifier
    texts: list[AttributedText]
    by_majority: list[bool]
    """Of each text, whether the author with the most texts to learn from is the right one."""


def rows_of(
    said: Said, data: Material, candidates: Sequence[str], how: Uncertainty, *, given: bool, folds: int
) -> list[Attribution]:
    """One row for each author whose texts were asked about, in the order of their names."""
    groups = {row.id: row.group for row in data.rows}
    models = {row.author: row.model for row in data.rows}

    def interval(texts: Sequence[AttributedText], hits: Sequence[bool]) -> Interval:
        clusters = [text.author if given else groups[text.id] for text in texts]
        return share_interval(np.array(hits), clusters, how)

    tested = [text for text in said.texts if text.author in candidates]
    right = [text.author == text.attributed_to for text in tested]
    usual = [hit for text, hit in zip(said.texts, said.by_majority, strict=True) if text.author in candidates]
    accuracy_ci = interval(tested, right) if tested else (0.0, 1.0)
    made = []
    for author in sorted({text.author for text in said.texts}):
        mine = [text for text in said.texts if text.author == author]
        by = {name: [text.attributed_to == name for text in mine] for name in candidates}
        shares = [AuthorShare(author=n, share=sum(h) / len(mine), ci=_within(interval(mine, h))) for n, h in by.items()]
        made.append(
            Attribution(
                classifier=said.classifier,
                author=author,
                model=models[author],
                learned=author in candidates,
                num_texts=len(mine),
                unscored=data.unscored.get(author, 0),
                shares=tuple(sorted(shares, key=lambda share: (-share.share, share.author))),
                accuracy=sum(right) / len(right),
                accuracy_ci=_within(accuracy_ci),
                num_tested=len(right),
                chance=sum(usual) / len(usual),
                resampled="author" if given else "group",
                folds=folds,
            )
        )
    return made


def _within(ci: Interval) -> Interval:
    return max(0.0, ci[0]), min(1.0, ci[1])
