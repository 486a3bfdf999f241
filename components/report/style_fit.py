"""Logistic Bradley-Terry with penalties, fitted under many weightings of its prompts at once.

A resample never copies a row: it is a weight for every prompt. All resamples share the design matrix, so that a Newton
step of all of them together is three matrix products and one exponential for each row and resample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from components.report.clustered import Codes, Floats

Flags = npt.NDArray[np.bool_]
BLOCK_ROWS = 512
"""Rows worked on together: with 128 resamples a buffer of 512 kB, which stays in a core's cache between passes."""
MAX_STEPS = 60
STEP_TOLERANCE = 1e-6
"""Longest last Newton step. Convergence is quadratic: what is left after it is about its square."""
OVERSHOOT = 0.9
"""A step after which the slope along it is more than this share of what it was, upwards, is halved."""


class Design(NamedTuple):
    """Rows of one regression, sorted by prompt. Rows that read the same are one row with a higher `size`."""

    x: Floats
    """(n, q) columns."""
    y: Floats
    """(n,) mean outcome: 1 = the first of the pair preferred, one half = tie."""
    size: Floats
    """(n,) votes behind the row."""
    prompt: Codes
    """(n,) ascending, every number from 0 to the number of prompts less one."""
    penalty: Floats
    """(q,) of each column: half of it times the squared coefficient is added to the negative log-likelihood."""
    rater: Codes
    """(n,) whose leaning the row holds; -1 = nobody's."""
    rater_penalty: Floats
    """(r,) of each leaning; empty = leanings are not in the model."""

    @property
    def num_prompts(self) -> int:
        """P."""
        return int(self.prompt[-1]) + 1


class Point(NamedTuple):
    """Where the fits stand, a column for each weighting."""

    terms: Floats
    """(q, b) coefficients of the columns."""
    leanings: Floats
    """(r, b) of the raters."""

    def plus(self, step: Point) -> Point:
        """Both added."""
        return Point(self.terms + step.terms, self.leanings + step.leanings)

    def take(self, chosen: Flags) -> Point:
        """Some of the weightings."""
        return Point(self.terms[:, chosen], self.leanings[:, chosen])

    def lengths(self) -> Floats:
        """(b,) largest coefficient."""
        longest: Floats = np.abs(np.concatenate([self.terms, self.leanings])).max(axis=0)
        return longest


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


class _Block(NamedTuple):
    """Some rows, laid out for the products that every step takes."""

    x: Floats
    """(rows, q)"""
    across: Floats
    """(q, rows)"""
    products: Floats
    """(q (q + 1) / 2, rows) of every two columns."""
    size: Floats
    """(rows, 1)"""
    prompt: Codes
    """(rows,)"""
    voices: sparse.csr_array
    """(r, rows), 1 where the row holds the rater's leaning."""
    heard: sparse.csr_array
    """(rows, r), the same lying down."""
    mixed: sparse.csr_array
    """((q + 1) r, rows): voices, then voices times each column."""

    @classmethod
    def of(cls, design: Design, voices: sparse.csr_array, part: slice) -> _Block:
        """The block of some of the design's rows."""
        x, own = design.x[part], voices[:, part]
        one, other = np.triu_indices(x.shape[1])
        return cls(
            x=x,
            across=np.ascontiguousarray(x.T),
            products=np.ascontiguousarray((x[:, one] * x[:, other]).T),
            size=design.size[part, None],
            prompt=design.prompt[part],
            voices=own,
            heard=own.T.tocsr(),
            mixed=sparse.vstack([own, *(_scaled(own, column) for column in x.T)]).tocsr(),
        )

    def shares(self, weights: Floats, at: Point) -> tuple[Floats, Floats]:
        """c m p and c m p (1 - p), each (rows, b)."""
        share = self.x @ -at.terms
        if len(at.leanings):
            share -= self.heard @ at.leanings
        with np.errstate(over="ignore"):  # exp(710) is infinite and its reciprocal the 0 that is meant
            np.exp(share, out=share)
        share += 1
        np.reciprocal(share, out=share)
        expected = weights[self.prompt]
        expected *= self.size
        expected *= share
        share *= expected
        np.subtract(expected, share, out=share)
        return expected, share


class Solver:
    """Minimises, for prompt weights c,

    sum over rows of c_p m [log(1 + exp(eta)) - y eta] + 1/2 sum_k penalty_k b_k^2 + 1/2 sum_r penalty_r u_r^2

    with eta = x b + u of the row's rater: logistic Bradley-Terry with half ties (Bradley and Terry 1952). Newton's
    method, steps halved where they overshoot. Leanings are eliminated through their diagonal block (Schur complement),
    so that hundreds of raters need no large matrix.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        n, q = design.x.shape
        self._rows, self._columns = np.triu_indices(q)
        voices = _indicator(design.rater, len(design.rater_penalty))
        self._blocks = [_Block.of(design, voices, slice(i, i + BLOCK_ROWS)) for i in range(0, n, BLOCK_ROWS)]
        # What the outcomes add to the slopes stays the same from step to step.
        known = design.size * design.y
        starts = np.flatnonzero(np.diff(design.prompt, prepend=-1))
        self._won = np.add.reduceat(known * design.x.T, starts, axis=1)
        self._won_by_rater = _scaled(voices, known) @ _indicator(design.prompt, len(starts)).T

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
        b = weights.shape[1]
        at = Point(np.repeat(start.terms, b, axis=1), np.repeat(start.leanings, b, axis=1))
        found = Fits(Point(at.terms.copy(), at.leanings.copy()), np.zeros(b, dtype=np.bool_))
        slopes = self._slopes(weights, at)
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

    def _slopes(self, weights: Floats, at: Point) -> _Slopes:
        design, b = self.design, weights.shape[1]
        q, r = at.terms.shape[0], at.leanings.shape[0]
        terms, leanings = design.penalty[:, None] * at.terms, design.rater_penalty[:, None] * at.leanings
        terms -= self._won @ weights
        leanings -= self._won_by_rater @ weights
        upper, by_rater = np.zeros((len(self._rows), b)), np.zeros(((q + 1) * r, b))
        for block in self._blocks:
            expected, information = block.shares(weights, at)
            terms += block.across @ expected
            upper += block.products @ information
            if r:
                leanings += block.voices @ expected
                by_rater += block.mixed @ information
        spread, mixed = by_rater[:r], by_rater[r:].reshape(q, r, b).transpose(1, 0, 2)
        square = np.empty((b, q, q))
        square[:, self._rows, self._columns] = upper.T
        square[:, self._columns, self._rows] = upper.T
        square[:, np.arange(q), np.arange(q)] += design.penalty
        return _Slopes(Point(terms, leanings), square, spread + design.rater_penalty[:, None], mixed)


def _indicator(rater: Codes, num_raters: int) -> sparse.csr_array:
    """(r, n), 1 where a row holds the rater's leaning."""
    rows = np.flatnonzero(rater >= 0) if num_raters else np.empty(0, dtype=np.int64)
    return sparse.csr_array((np.ones(len(rows)), (rater[rows], rows)), shape=(num_raters, len(rater)))


def _scaled(matrix: sparse.csr_array, columns: Floats) -> sparse.csr_array:
    """The matrix with every column times a number."""
    return sparse.csr_array((matrix.data * columns[matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape)


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
