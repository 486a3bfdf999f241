"""A judge's rate set right by people's labels on some of the prompts (method section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.preference_results import CorrectedPreference, Interval
from components.contracts.preference_rows import GoldLabel
from components.report.clustered import Floats
from components.report.quantiles import t_quantile, wilson

Outcome = Literal["win", "tie", "loss"]
MIN_LABELLED = 10
_TURNED: Mapping[Outcome, Outcome] = {"win": "loss", "tie": "tie", "loss": "win"}


class LabelledRate(NamedTuple):
    """What people and the judge say of 'at least as good', 1 or 0."""

    people: Floats
    """(n,) people's labels."""
    judged: Floats
    """(n,) the judge's, on the same prompts."""
    rest: Floats
    """(N,) the judge's on prompts without a label."""


def corrected(
    outcomes: Mapping[str, Outcome | None], gold: Iterable[GoldLabel], pair: tuple[str, str], *, alpha: float
) -> tuple[CorrectedPreference, ...]:
    """The share of prompts at least as good, by PPI++ and by Rogan and Gladen; empty where no label is for the pair.

    Args:
        outcomes: Prompt -> the judge's outcome for pair[0]; None = unreadable, left out.
        gold: People's labels, either way round. The labelled prompts must be a random part of all.
        pair: The model under test and its opponent.
        alpha: Intervals are at 1 - alpha.

    Raises:
        TouchstoneError: two labels of one prompt that differ.
    """
    labels = _labels(gold, pair)
    if not labels:
        return ()
    readable = {prompt: float(outcome != "loss") for prompt, outcome in sorted(outcomes.items()) if outcome}
    both = [prompt for prompt in readable if prompt in labels]
    rate = LabelledRate(
        np.array([float(labels[prompt] != "loss") for prompt in both]),
        np.array([readable[prompt] for prompt in both]),
        np.array([value for prompt, value in readable.items() if prompt not in labels]),
    )
    return ppi_plus_plus(rate, alpha), rogan_gladen(rate, alpha)


def _labels(gold: Iterable[GoldLabel], pair: tuple[str, str]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for row in gold:
        if (row.model, row.opponent) not in (pair, pair[::-1]):
            continue
        outcome = row.outcome if row.model == pair[0] else _TURNED[row.outcome]
        if found.setdefault(row.prompt_id, outcome) != outcome:
            raise TouchstoneError(
                f"prompt {row.prompt_id} has two labels for {pair[0]} against {pair[1]} that differ",
                expected="one label for each prompt and pair",
                remedy="take the majority of the people behind them as the label",
            )
    return found


def ppi_plus_plus(rate: LabelledRate, alpha: float) -> CorrectedPreference:
    """Prediction-powered share (Angelopoulos, Duchi and Zrnic 2023, PPI++).

    mean(Y) + lambda (mean of the judge on the rest - mean of the judge on the labelled), with lambda =
    Cov(Y, f) / ((1 + n/N) Var f) clipped to [0, 1] and variance Var(Y - lambda f)/n + 1/n^2 + lambda^2 Var(f)/N; the
    1/n^2 is every 0/1 mean's here (without it 50 labels at a share of .85 covered 92%, with it 95%). With lambda 0
    people's labels stand alone and have Wilson's interval. Simulated with 10 to 50 labels, shares from .1 to .95, good
    and poor judges, these hold the truth in 94-98% and, within .15 of an end, up to 100%.
    """
    y, f, rest = rate
    n, more = len(y), len(rest)
    if n < MIN_LABELLED:
        return _unknown("ppi++", n, _too_few(n))
    weight = 0.0
    if more and (spread := float(np.var(np.concatenate([f, rest]), ddof=1))) > 0:
        covariance = float(np.cov(y, f)[0, 1])
        weight = min(1.0, max(0.0, covariance / ((1 + n / more) * spread)))
    residual = float(np.var(y - weight * f, ddof=1)) / n + 1 / n**2
    if weight == 0:
        ci = wilson(round(float(y.sum())), n, alpha)
        return CorrectedPreference(method="ppi++", value=float(y.mean()), ci=ci, num_labelled=n, weight=0.0)
    value = float(y.mean() + weight * (rest.mean() - f.mean()))
    half = t_quantile(1 - alpha / 2, n - 1) * math.sqrt(residual + weight**2 * float(np.var(rest)) / more)
    return CorrectedPreference(
        method="ppi++", value=_unit(value), ci=_within(value - half, value + half), num_labelled=n, weight=weight
    )


def rogan_gladen(rate: LabelledRate, alpha: float) -> CorrectedPreference:
    """The judged rate turned back by the judge's errors on this pair (Rogan and Gladen 1978).

    p = (q + specificity - 1) / J, with q the judged rate of the rest and Youden's index J = sensitivity + specificity
    - 1 from the labelled. The interval is Lang and Reiczigel's (2014), whose adjusted counts keep it honest with few
    labels. Null where J's lower bound (Newcombe's, from Wilson's) is not above 0: the judge tells nothing of this pair.
    Simulated with 20 to 50 labels, those given hold the truth in 95-99%, but in 92% where 20 or 30 labels meet a share
    of .1: two or three people then say all that is known of the judge's sensitivity.
    """
    y, f, rest = rate
    n, more = len(y), len(rest)
    good, bad = int(y.sum()), int(n - y.sum())
    if n < MIN_LABELLED or not good or not bad or not more:
        why = (
            _too_few(n)
            if n < MIN_LABELLED
            else "people's labels are all the same"
            if more
            else "no prompt is unlabelled"
        )
        return _unknown("rogan-gladen", n, why)
    hits, passes = round(float(f[y == 1].sum())), round(float((1 - f[y == 0]).sum()))
    sensitivity, specificity = hits / good, passes / bad
    youden = sensitivity + specificity - 1
    lowest = youden - math.hypot(
        sensitivity - wilson(hits, good, alpha)[0], specificity - wilson(passes, bad, alpha)[0]
    )
    if lowest <= 0:
        return _unknown("rogan-gladen", n, f"the judge's Youden index is {youden:.2f}, not surely above 0 on this pair")
    value = (float(rest.mean()) + specificity - 1) / youden
    return CorrectedPreference(
        method="rogan-gladen",
        value=_unit(value),
        ci=_lang_reiczigel(float(rest.sum()), more, hits, good, passes, bad, alpha),
        num_labelled=n,
    )


def _lang_reiczigel(positive: float, n: int, hits: int, good: int, passes: int, bad: int, alpha: float) -> Interval:
    """Interval of a true rate from an apparent one and estimated sensitivity and specificity."""
    z = t_quantile(1 - alpha / 2, math.inf)
    apparent = (positive + z * z / 2) / (n + z * z)
    sensitivity, specificity = (hits + 1) / (good + 2), (passes + 1) / (bad + 2)
    youden = sensitivity + specificity - 1
    if youden <= 0:
        return 0.0, 1.0
    rate = _unit((apparent + specificity - 1) / youden)
    from_good = sensitivity * (1 - sensitivity) / (good + 2)
    from_bad = specificity * (1 - specificity) / (bad + 2)
    shift = 2 * z * z * (rate * from_good - (1 - rate) * from_bad)
    spread = apparent * (1 - apparent) / (n + z * z) + rate**2 * from_good + (1 - rate) ** 2 * from_bad
    half = z * math.sqrt(spread) / youden
    return _within(rate + shift - half, rate + shift + half)


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


def _within(low: float, high: float) -> Interval:
    return _unit(low), _unit(high)


def _too_few(n: int) -> str:
    return f"{n} prompts with people's label and the judge's are too few: {MIN_LABELLED} are needed"


def _unknown(method: Literal["ppi++", "rogan-gladen"], n: int, reason: str) -> CorrectedPreference:
    return CorrectedPreference(method=method, value=None, ci=None, num_labelled=n, reason=reason)
