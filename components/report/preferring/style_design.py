"""Rows of a style regression, laid out so that many weightings of its prompts share every product."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from components.report.clustered import Codes, Floats

Flags = npt.NDArray[np.bool_]
BLOCK_ROWS = 512
"""Rows worked on together: with 128 resamples a buffer of 512 kB, which stays in a core's cache between passes."""


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


class Block(NamedTuple):
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
    def of(cls, design: Design, part: slice) -> Block:
        """The block of some of the design's rows."""
        x, own = design.x[part], indicator(design.rater[part], len(design.rater_penalty))
        one, other = np.triu_indices(x.shape[1])
        return cls(
            x=x,
            across=np.ascontiguousarray(x.T),
            products=np.ascontiguousarray((x[:, one] * x[:, other]).T),
            size=design.size[part, None],
            prompt=design.prompt[part],
            voices=own,
            heard=own.T.tocsr(),
            mixed=sparse.vstack([own, *(scaled(own, column) for column in x.T)]).tocsr(),
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


def indicator(rater: Codes, num_raters: int) -> sparse.csr_array:
    """(r, n), 1 where a row holds the rater's leaning."""
    rows = np.flatnonzero(rater >= 0) if num_raters else np.empty(0, dtype=np.int64)
    return sparse.csr_array((np.ones(len(rows)), (rater[rows], rows)), shape=(num_raters, len(rater)))


def scaled(matrix: sparse.csr_array, columns: Floats) -> sparse.csr_array:
    """The matrix with every column times a number."""
    return sparse.csr_array((matrix.data * columns[matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape)
