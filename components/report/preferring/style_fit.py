"""Logistic Bradley-Terry with penalties, fitted under many weightings of its prompts at once.

A resample never copies a row: it is a weight for every prompt. All resamples share the design matrix, so that a Newton
step of all of them together is three matrix products and one exponential for each row and resample.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from components.report.clustered import Floats
from components.report.preferring.style_design import BLOCK_ROWS, Block, Design, Flags, Point, indicator, scaled

MAX_STEPS = 60
STEP_TOLERANCE = 1e-6
"""Longest last Newton step. Convergence is quadratic: what is left after it is about its square."""
OVERSHOOT = 0.9
"""A step after which the slope along it is more than this share of what it was, upwards, is halved."""


@cache
def _linear_algebra() -> ThreadpoolController:
    """The libraries of this process that have threads of their own; looking for them takes longer than a small fit."""
    return ThreadpoolController()


class Fits(NamedTuple):
    """One fit for each weighting."""

    point: Point
    """Its coefficients."""
    converged: Flags
    """(b,)"""


class _Slopes(NamedTuple):
    """Derivatives of the penalised negative log-likelihood, a column (or a leading index) for each weighting."""

    first: Point
    """Gradient."""
    square: Floats
    """(b, q, q) second derivatives of the terms."""
    spread: Floats
    """(r, b) of the leanings: no row holds two of them, so that theirs is a diagonal."""
    mixed: Floats
    """(r, q, b) of leanings with terms."""


class _Sums(NamedTuple):
    """Sums over rows, a column for each weighting (or prompt)."""

    terms: Floats
    """(q, b) of c m p times each column."""
    leanings: Floats
    """(r, b) of c m p by rater."""
    upper: Floats
    """(q (q + 1) / 2, b) of c m p (1 - p) times every two columns."""
    by_rater: Floats
    """((q + 1) r, b) of c m p (1 - p) by rater, then times each column."""


class Solver:
    """Minimises, for prompt weights c,

    sum over rows of c_p m [log(1 + exp(eta)) - y eta] + 1/2 sum_k penalty_k b_k^2 + 1/2 sum_r penalty_r u_r^2

    with eta = x b + u of the row's rater: logistic Bradley-Terry with half ties (Bradley and Terry 1952). Newton's
    method, steps halved where they overshoot. Leanings are eliminated through their diagonal block (Schur complement),
    so that hundreds of raters need no large matrix.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        n = len(design.y)
        self._rows, self._columns = np.triu_indices(design.x.shape[1])
        self._whole = Block.of(design, slice(n))
        self._blocks = [Block.of(design, slice(i, i + BLOCK_ROWS)) for i in range(0, n, BLOCK_ROWS)]
        self._starts = np.flatnonzero(np.diff(design.prompt, prepend=-1))
        self._prompts = indicator(design.prompt, len(self._starts)).T.tocsr()
        # What the outcomes add to the slopes stays the same from step to step.
        self._won = self._by_prompt(design.size * design.y, np.zeros(n))

    def whole(self) -> Fits:
        """The fit to every prompt once."""
        zero = Point(np.zeros((len(self.design.penalty), 1)), np.zeros((len(self.design.rater_penalty), 1)))
        return self.fit(np.ones((self.design.num_prompts, 1)), zero)

    def fit(self, weights: Floats, start: Point) -> Fits:
        """Fits under many weightings, all begun at one point.

        Args:
            weights: (P, b), how often each prompt counts.
            start: One column: near the answer, as the fit to all prompts is to a resample's.
        """
        # The products are small: BLAS's own threads win a little on idle cores and wait for each other on busy ones
        # (measured: 0.3 s alone, 18 s with two threads on two cores that others used).
        with _linear_algebra().limit(limits=1, user_api="blas"):
            return self._fit(weights, start)

    def _fit(self, weights: Floats, start: Point) -> Fits:
        b = weights.shape[1]
        at = Point(np.repeat(start.terms, b, axis=1), np.repeat(start.leanings, b, axis=1))
        found = Fits(Point(at.terms.copy(), at.leanings.copy()), np.zeros(b, dtype=np.bool_))
        slopes = self._first_slopes(weights, at, start)
        step = _newton(slopes)
        whole: Flags = np.ones(b, dtype=np.bool_)
        active = np.arange(b)
        for _ in range(MAX_STEPS):
            trial = at.plus(step)
            found.point.terms[:, active] = trial.terms
            found.point.leanings[:, active] = trial.leanings
            done = whole & (step.lengths() <= STEP_TOLERANCE)
            found.converged[active[done]] = True
            if done.all():
                break
            active, keep = active[~done], ~done
            at, step, trial, slopes = at.take(keep), step.take(keep), trial.take(keep), _take(slopes, keep)
            ahead = self._slopes(weights[:, active], trial)
            whole = _along(ahead, step) <= OVERSHOOT * np.abs(_along(slopes, step))
            at = _choose(whole, trial, at)
            slopes = _choose_slopes(whole, ahead, slopes)
            step = _choose(whole, _newton(slopes), Point(step.terms / 2, step.leanings / 2))
        return found

    def _first_slopes(self, weights: Floats, at: Point, start: Point) -> _Slopes:
        """The slopes while all weightings stand at one point: each prompt's rows are added up once for all of them."""
        expected, information = self._whole.shares(np.ones((self.design.num_prompts, 1)), start)
        sums = self._by_prompt(expected[:, 0], information[:, 0])
        return self._assembled(weights, at, _Sums(*(part @ weights for part in sums)))

    def _by_prompt(self, expected: Floats, information: Floats) -> _Sums:
        """Sums over the rows of each prompt, (..., P)."""
        rows = self._whole
        return _Sums(
            np.add.reduceat(rows.across * expected, self._starts, axis=1),
            scaled(rows.voices, expected) @ self._prompts,
            np.add.reduceat(rows.products * information, self._starts, axis=1),
            scaled(rows.mixed, information) @ self._prompts,
        )

    def _slopes(self, weights: Floats, at: Point) -> _Slopes:
        (q, b), r = at.terms.shape, len(at.leanings)
        sums = _Sums(*(np.zeros((rows, b)) for rows in (q, r, len(self._rows), (q + 1) * r)))
        for block in self._blocks:
            expected, information = block.shares(weights, at)
            sums.terms[:] += block.across @ expected
            sums.upper[:] += block.products @ information
            if r:
                sums.leanings[:] += block.voices @ expected
                sums.by_rater[:] += block.mixed @ information
        return self._assembled(weights, at, sums)

    def _assembled(self, weights: Floats, at: Point, sums: _Sums) -> _Slopes:
        design, (q, b), r = self.design, at.terms.shape, len(at.leanings)
        square = np.empty((b, q, q))
        square[:, self._rows, self._columns] = sums.upper.T
        square[:, self._columns, self._rows] = sums.upper.T
        square[:, np.arange(q), np.arange(q)] += design.penalty
        return _Slopes(
            first=Point(
                sums.terms - self._won.terms @ weights + design.penalty[:, None] * at.terms,
                sums.leanings - self._won.leanings @ weights + design.rater_penalty[:, None] * at.leanings,
            ),
            square=square,
            spread=sums.by_rater[:r] + design.rater_penalty[:, None],
            mixed=sums.by_rater[r:].reshape(q, r, b).transpose(1, 0, 2),
        )


def _newton(slopes: _Slopes) -> Point:
    """Newton's step of every weighting: minus the inverse of the second derivatives times the first."""
    ratio = slopes.mixed / slopes.spread[:, None]
    square = slopes.square - np.einsum("rqb,rkb->bqk", ratio, slopes.mixed)
    right = np.einsum("rqb,rb->qb", ratio, slopes.first.leanings) - slopes.first.terms
    terms: Floats = np.linalg.solve(square, right.T[:, :, None])[:, :, 0].T.astype(np.float64)
    pull = slopes.first.leanings + np.einsum("rqb,qb->rb", slopes.mixed, terms)
    return Point(terms, -pull / slopes.spread)


def _along(slopes: _Slopes, step: Point) -> Floats:
    """(b,) slope in the direction of the step."""
    along: Floats = (slopes.first.terms * step.terms).sum(axis=0)
    along += (slopes.first.leanings * step.leanings).sum(axis=0)
    return along


def _take(slopes: _Slopes, chosen: Flags) -> _Slopes:
    return _Slopes(
        slopes.first.take(chosen), slopes.square[chosen], slopes.spread[:, chosen], slopes.mixed[:, :, chosen]
    )


def _choose(first: Flags, one: Point, other: Point) -> Point:
    return Point(np.where(first, one.terms, other.terms), np.where(first, one.leanings, other.leanings))


def _choose_slopes(first: Flags, one: _Slopes, other: _Slopes) -> _Slopes:
    return _Slopes(
        _choose(first, one.first, other.first),
        np.where(first[:, None, None], one.square, other.square),
        np.where(first, one.spread, other.spread),
        np.where(first, one.mixed, other.mixed),
    )
