"""Whether a judge still is the judge it was: frozen judgments beside new ones of the same pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from components.contracts.evidence_rows import Judgment
from components.judge.rows import DriftCheck

Outcome = Literal["win", "tie", "loss"]
Interval = tuple[float, float]
CREDIT: Mapping[Outcome, float] = {"win": 1.0, "tie": 0.5, "loss": 0.0}


class PairKey(NamedTuple):
    """A prompt and two models."""

    prompt_id: str
    model: str
    opponent: str


def outcomes_of(rows: Iterable[Judgment]) -> dict[PairKey, Outcome | None]:
    """One outcome a pair over the orders shown: disagreement is a tie, an unreadable half leaves it unknown."""
    found: dict[PairKey, set[Outcome | None]] = {}
    for row in rows:
        found.setdefault(PairKey(row.prompt_id, row.model, row.opponent), set()).add(row.outcome)
    return {key: None if None in said else next(iter(said)) if len(said) == 1 else "tie" for key, said in found.items()}


def compare(
    before: Mapping[PairKey, Outcome | None],
    after: Mapping[PairKey, Outcome | None],
    *,
    alpha: float,
    max_changed: float,
) -> list[DriftCheck]:
    """The three ways in which a judge may have changed, on the pairs that both sides judged.

    Mean differences are paired and clustered by prompt. A judge that grew careless can keep its mean: so the share of
    pairs with another outcome is held against `max_changed` beside it.
    """
    shared = [key for key in before if key in after]
    both = [(key, old, new) for key in shared if (old := before[key]) is not None and (new := after[key]) is not None]
    credits = [(CREDIT[old], CREDIT[new]) for _, old, new in both]
    preference = _difference("preference", [key.prompt_id for key, _, _ in both], credits, alpha)
    silent = [(float(before[key] is None), float(after[key] is None)) for key in shared]
    unscored = _difference("unscored", [key.prompt_id for key in shared], silent, alpha)
    return [preference, _changed([old != new for _, old, new in both], alpha, max_changed), unscored]


def _difference(
    measure: Literal["preference", "unscored"],
    prompts: Sequence[str],
    values: Sequence[tuple[float, float]],
    alpha: float,
) -> DriftCheck:
    what = "mean credit of the models under test" if measure == "preference" else "share of unreadable verdicts"
    if not values:
        return _nothing(measure, f"{what}: no pair was judged both times")
    old, new = (np.array(column) for column in zip(*values, strict=True))
    change = float((new - old).mean())
    ci = paired_interval(prompts, new - old, alpha)
    warns = ci is not None and not ci[0] <= 0 <= ci[1]
    told = f"{what} {old.mean():.3f} -> {new.mean():.3f}, change {change:+.3f}"
    told += f" ({ci[0]:+.3f} to {ci[1]:+.3f})" if ci else " (one prompt: no interval)"
    return DriftCheck(
        measure=measure,
        n=len(values),
        before=float(old.mean()),
        after=float(new.mean()),
        change=change,
        ci=ci,
        warns=warns,
        sentence=f"{told} on {len(values)} pairs{': beyond its interval' if warns else ''}",
    )


def _changed(changed: Sequence[bool], alpha: float, max_changed: float) -> DriftCheck:
    n = len(changed)
    if not n:
        return _nothing("changed", "outcomes: no pair was judged both times")
    share = sum(changed) / n
    ci = wilson(sum(changed), n, alpha)
    warns = ci[0] > max_changed
    return DriftCheck(
        measure="changed",
        n=n,
        before=None,
        after=None,
        change=share,
        ci=ci,
        warns=warns,
        sentence=f"{sum(changed)} of {n} pairs have another outcome ({ci[0]:.1%} to {ci[1]:.1%}; at most"
        f" {max_changed:.0%} allowed){': the judge does not repeat itself' if warns else ''}",
    )


def paired_interval(clusters: Sequence[str], differences: np.ndarray, alpha: float) -> Interval | None:
    """Interval of a mean difference, clustered (CR1), Student's t with C - 1 degrees of freedom.

    Variance: C / (C - 1) x the sum over clusters of (sum of residuals)^2 / n^2, and 1 / n^2 on top, since n equal
    differences are not infinitely sure (method section 5). None for fewer than two clusters.

    Args:
        clusters: Shape [n], the prompt of each pair.
        differences: Shape [n], new minus old.
        alpha: The interval is at 1 - alpha.
    """
    _, index = np.unique(np.array(clusters), return_inverse=True)
    num = int(index.max()) + 1
    if num < 2:
        return None
    n, mean = len(differences), float(differences.mean())
    sums = np.bincount(index, weights=differences - mean)
    variance = num / (num - 1) * float(sums @ sums) / n**2 + 1 / n**2
    half = float(special.stdtrit(num - 1, 1 - alpha / 2)) * math.sqrt(variance)
    return mean - half, mean + half


def wilson(successes: int, n: int, alpha: float) -> Interval:
    """Wilson's score interval of a share at 1 - alpha (Wilson 1927)."""
    z = float(special.ndtri(1 - alpha / 2))
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _nothing(measure: Literal["preference", "changed", "unscored"], sentence: str) -> DriftCheck:
    return DriftCheck(
        measure=measure, n=0, before=None, after=None, change=None, ci=None, warns=False, sentence=sentence
    )
