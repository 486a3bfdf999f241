"""Preference with style held equal: which part of being preferred goes back to surface (method section 5).

The model is logistic Bradley-Terry, ties half:

    logit P(a over b) = theta_a - theta_b + sum_k beta_k z_k + gamma x place + the rater's leaning

The opponent's theta is 0; place is 1 where a stood first and -1 where it stood second; leanings are to the model under
test, where several raters voted. Penalties lie on beta and leanings. The adjustment is observational: what pulls raters
and is no column stays unseen, so it is read beside the placebo arms, whose surface was changed on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import AdjustedPreference, StyleCoefficient
from components.contracts.preference_rows import StyleFeatures
from components.report.clustered import Codes, Floats
from components.report.preferring.resampling import drawn_weights
from components.report.preferring.style_design import Point
from components.report.preferring.style_fit import Fits, Solver
from components.report.preferring.style_intervals import coefficient_interval, share_limits
from components.report.preferring.style_rows import SAME, StyleRows, beside, style_rows, surface

RIDGE = 0.03
"""Enough to keep a fit finite that style separates fully. With 1, where style and model nearly go together on 80
prompts, so much of style's pull went to the model that the adjusted interval held the truth in 66% of data sets."""
SENSITIVITY = (0.003, 0.3, 3.0)
"""Penalties at which the style share is computed again."""
MIN_PROMPTS = 30
CHUNK = 128
"""Resamples fitted together."""


def adjust(
    judgments: Iterable[Judgment],
    features: Iterable[StyleFeatures],
    pair: tuple[str, str],
    alpha: float,
    resamples: int,
    seed: int,
    ridge: float = RIDGE,
) -> AdjustedPreference:
    """The preference for pair[0] over pair[1], raw and with style held equal.

    Args:
        judgments: Votes of one source. Those on other pairs help to tell style from models; unreadable ones and those
            on outputs without features are left out.
        features: Surface of the outputs.
        pair: The model under test and its opponent.
        alpha: Intervals are at 1 - alpha.
        resamples: Of prompts: intervals are conditional on the raters.
        seed: Of the bootstrap.
        ridge: Penalty on the style terms.
    """
    if pair[0] == pair[1]:
        return _unknown(f"{pair[0]} was compared with itself", ridge, 0)
    rows = style_rows(judgments, surface(features), pair)
    if rows is None:
        return _unknown("no vote on this pair has style features of both outputs", ridge, 0)
    prompts = len(np.unique(rows.design.prompt[rows.asked]))
    if reason := _unfit(rows, prompts, pair):
        return _unknown(reason, ridge, prompts)
    solver = Solver(rows.penalised(ridge))
    whole = solver.whole()
    points = _effects(rows, np.ones((rows.design.num_prompts, 1)), whole.point)
    drawn = _draws(rows, solver, whole.point, resamples, np.random.default_rng([seed, 4]))
    return _result(rows, ridge, prompts, alpha, points, whole, drawn)


class _Effects(NamedTuple):
    """Average marginal effects, one for each weighting."""

    raw: Floats
    """(b,)"""
    adjusted: Floats
    """(b,)"""


class _Drawn(NamedTuple):
    effects: _Effects
    terms: Floats
    """(q, resamples)"""
    failed: int
    """Resamples whose fit did not converge."""


def _effects(rows: StyleRows, weights: Floats, point: Point) -> _Effects:
    """What being the model under test does to the share of votes, over the pair's votes.

    raw: everything about the model is exchanged, its surface too; adjusted: its strength and the raters' leaning to it
    are exchanged while style differences stay as observed. Half of the change is the share above one half:

        raw = mean of sigma(t + s) - 1/2        adjusted = mean of [sigma(t + s) - sigma(-t + s)] / 2

    with t = theta + leaning and s = sum_k beta_k z_k, each the mean over both places. Both are effects of one fit, so
    that raw - adjusted is the part of style. For a single pair judged in both places, raw is the observed share less
    one half, which a model without style would give too.

    Args:
        rows: The regression.
        weights: (P, b) of prompts.
        point: (q, b) and (r, b), a fit for each weighting.
    """
    design, asked = rows.design, rows.asked
    styles = slice(rows.first_style, rows.first_style + len(rows.styles))
    place = point.terms[-1] if rows.has_position else 0.0
    heads, size = _alike(rows)
    raw, adjusted, total = (np.zeros(weights.shape[1]) for _ in range(3))
    for begin in range(0, len(heads), 256):
        part = asked[heads[begin : begin + 256]]
        weight = weights[design.prompt[part]] * size[begin : begin + 256, None]
        strength = point.terms[0] + _leaning(design.rater[part], point.leanings)
        style = design.x[part, styles] @ point.terms[styles]
        ahead = _share(strength + style, place)
        raw += (weight * (ahead - 0.5)).sum(axis=0)
        adjusted += (weight * (ahead - _share(style - strength, place))).sum(axis=0) / 2
        total += weight.sum(axis=0)
    # A resample without any of the pair's prompts says nothing of it.
    total = np.where(total > 0, total, np.nan)
    return _Effects(raw / total, adjusted / total)


def _alike(rows: StyleRows) -> tuple[Codes, Floats]:
    """The first of the pair's rows that differ in place only, and the votes behind each such group."""
    design, asked = rows.design, rows.asked
    keys = np.stack([design.prompt[asked], design.rater[asked]], axis=1)
    _, heads, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return heads.astype(np.int64), np.bincount(group.ravel(), weights=design.size[asked]).astype(np.float64)


def _leaning(rater: Codes, leanings: Floats) -> Floats:
    if not len(leanings):
        return np.zeros((1, 1))
    found: Floats = np.where(rater[:, None] >= 0, leanings[rater], 0.0)
    return found


def _share(log_odds: Floats, place: Floats | float) -> Floats:
    """Probability of being preferred, the mean over both places."""
    with np.errstate(over="ignore"):
        if isinstance(place, float):
            return 1 / (1 + np.exp(-log_odds))
        return (1 / (1 + np.exp(-log_odds - place)) + 1 / (1 + np.exp(-log_odds + place))) / 2


def _draws(rows: StyleRows, solver: Solver, start: Point, resamples: int, rng: np.random.Generator) -> _Drawn:
    """The fit and its effects in every resample of prompts."""
    effects, terms, failed = [], [], 0
    for begin in range(0, resamples, CHUNK):
        weights = drawn_weights(rows.design.num_prompts, min(CHUNK, resamples - begin), rng)
        fits = solver.fit(weights, start)
        failed += int((~fits.converged).sum())
        effects.append(_effects(rows, weights, fits.point))
        terms.append(fits.point.terms)
    raw, adjusted = (np.concatenate(parts) for parts in zip(*effects, strict=True))
    return _Drawn(_Effects(raw, adjusted), np.concatenate(terms, axis=1), failed)


def _unfit(rows: StyleRows, prompts: int, pair: tuple[str, str]) -> str | None:
    """Why nothing can be fitted."""
    design, asked = rows.design, rows.asked
    if prompts < MIN_PROMPTS:
        return f"{prompts} prompts with votes and style features are too few: {MIN_PROMPTS} are needed"
    y = design.y[asked]
    for value, words in ((1.0, f"for {pair[0]}"), (0.0, f"for {pair[1]}"), (0.5, "a tie")):
        if (y == value).all():
            return f"every vote is {words}: without variation there is no regression"
    if rows.has_position and ((2 * y - 1) == design.x[asked, -1]).all():
        return "every vote is for the output shown first: it says nothing of the models"
    if rows.has_position and ((1 - 2 * y) == design.x[asked, -1]).all():
        return "every vote is for the output shown second: it says nothing of the models"
    return None


def _bound_up(rows: StyleRows) -> str | None:
    """Which features differ in the same way wherever the model was judged, so that they cannot be told from it."""
    x = rows.design.x
    if beside(x[:, 0], x[:, 1:]) > SAME:
        return None
    mixture = np.linalg.lstsq(x[:, 1:], x[:, 0], rcond=None)[0]
    guilty = [name for name, column in rows.named.items() if abs(mixture[column - 1]) > 1e-6]
    return f"{', '.join(guilty)} differ between the models in the same way on every prompt: style and model are one"


def _result(
    rows: StyleRows, ridge: float, prompts: int, alpha: float, points: _Effects, whole: Fits, drawn: _Drawn
) -> AdjustedPreference:
    raw, adjusted = float(points.raw[0]), float(points.adjusted[0])
    limits = share_limits(raw, adjusted, drawn.effects, prompts=prompts, alpha=alpha)
    reason = _bound_up(rows)
    known = reason is None
    if drawn.failed or not whole.converged.all():
        known, reason = False, f"{drawn.failed} of {len(drawn.effects.raw)} resampled fits did not converge"
    explained = limits.explained if known else None
    if known and explained is None:
        reason = "the interval of the raw preference reaches 0: there is nothing for style to explain"
    return AdjustedPreference(
        raw=raw,
        raw_ci=limits.raw,
        adjusted=adjusted if known else None,
        adjusted_ci=limits.adjusted if known else None,
        style_share=1 - adjusted / raw if explained else None,
        style_share_ci=explained,
        coefficients=tuple(
            StyleCoefficient(
                feature=name,
                value=float(whole.point.terms[k, 0]),
                ci=coefficient_interval(whole.point.terms[k, 0], drawn.terms[k], prompts, alpha) if known else None,
            )
            for name, k in rows.named.items()
        ),
        ridge=ridge,
        sensitivity=tuple((other, _style_share(rows, other) if explained else None) for other in _others(ridge)),
        num_prompts=prompts,
        reason=reason,
    )


def _others(ridge: float) -> list[float]:
    return [other for other in SENSITIVITY if other != ridge]


def _style_share(rows: StyleRows, ridge: float) -> float | None:
    fits = Solver(rows.penalised(ridge)).whole()
    found = _effects(rows, np.ones((rows.design.num_prompts, 1)), fits.point)
    return float(1 - found.adjusted[0] / found.raw[0]) if fits.converged.all() else None


def _unknown(reason: str, ridge: float, prompts: int) -> AdjustedPreference:
    return AdjustedPreference(
        raw=None,
        raw_ci=None,
        adjusted=None,
        adjusted_ci=None,
        style_share=None,
        style_share_ci=None,
        coefficients=(),
        ridge=ridge,
        sensitivity=(),
        num_prompts=prompts,
        reason=reason,
    )
