"""Slope of one number on another over dependent items, with a cluster-robust interval."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from components.report.clustered import Codes, Floats

SAME = 1e-6
"""Range of x from which it counts as varying: less is rounding."""
FULL_LEVERAGE = 1e-9
"""A cluster this near to a leverage of 1 fixes the line alone: its residuals say nothing of its spread."""


class Slope(NamedTuple):
    """A least-squares line y = intercept + value x."""

    intercept: float
    value: float
    variance: float
    """Of `value`; NaN where it cannot be known."""
    df: float
    """Degrees of freedom of `variance`."""
    num_clusters: int


def clustered_slope(x: Floats, y: Floats, clusters: Codes) -> Slope | None:
    """Least squares with the CR2 variance and Satterthwaite degrees of freedom; None where x does not vary.

    CR2 (Bell and McCaffrey 2002): residuals of cluster g are multiplied by A_g = (I - H_gg)^(-1/2), with H the hat
    matrix. X' A_g needs no n_g x n_g matrix: with M = (X'X)^-1 and S_g = M^(1/2) X_g' X_g M^(1/2), which is 2 x 2,
    X_g' A_g = M^(-1/2) (I - S_g)^(-1/2) M^(1/2) X_g'. Degrees of freedom are tr(B)^2 / tr(B^2) for the matrix B of the
    variance as a quadratic form in independent errors of equal variance (Bell and McCaffrey's, as in Imbens and
    Kolesar 2016). With clusters of one item each the variance is HC2.

    Args:
        x: (n,).
        y: (n,).
        clusters: (n,) labels; equal labels = dependent items.
    """
    centre = x.mean()
    moved = x - centre
    squares = float(moved @ moved)
    if len(x) < 3 or np.ptp(x) <= SAME:
        return None
    # With x centred X'X is diagonal, so its roots are too.
    root = np.array([1 / math.sqrt(len(x)), 1 / math.sqrt(squares)])
    value = float(moved @ y) / squares
    residuals = y - y.mean() - value * moved
    _, index = np.unique(clusters, return_inverse=True)
    count = int(index.max()) + 1
    design = np.stack([np.ones_like(x), moved], axis=1) * root  # (n, 2), X M^(1/2)
    shares = _sums(design[:, :, None] * design[:, None, :], index, count)  # (C, 2, 2), S_g
    scores = _sums(design * residuals[:, None], index, count)  # (C, 2), M^(1/2) X_g' e_g
    leverage, turned = np.linalg.eigh(shares)
    intercept = float(y.mean()) - value * float(centre)
    if leverage.max() > 1 - FULL_LEVERAGE:
        return Slope(intercept, value, math.nan, 0.0, count)
    weights = _matrices(1 / np.sqrt(1 - leverage), turned)  # (C, 2, 2), (I - S_g)^(-1/2)
    scaled = np.einsum("cij,cj->ci", weights, scores)[:, 1] * root[1]
    variance = float(scaled @ scaled)
    return Slope(intercept, value, variance, _degrees_of_freedom(leverage, turned), count)


def _sums(values: Floats, index: Codes, count: int) -> Floats:
    """Sums over clusters along the first axis."""
    flat = values.reshape(len(values), -1)
    made = np.stack([np.bincount(index, weights=column, minlength=count) for column in flat.T], axis=1)
    return np.asarray(made.reshape(count, *values.shape[1:]), dtype=np.float64)


def _matrices(values: Floats, turned: Floats) -> Floats:
    """(C, 2, 2) symmetric matrices of given eigenvalues (C, 2) and eigenvectors (C, 2, 2)."""
    return np.asarray(np.einsum("cij,cj,ckj->cik", turned, values, turned), dtype=np.float64)


def _degrees_of_freedom(leverage: Floats, turned: Floats) -> float:
    """tr(B)^2 / tr(B^2) for B = diag(d) - W W', d_g = q' S_g (I - S_g)^-1 q and w_g = S_g (I - S_g)^(-1/2) q.

    q picks the slope. B is C x C; its traces need its parts only.
    """
    kept = np.clip(leverage, 0.0, None)
    d = _matrices(kept / (1 - kept), turned)[:, 1, 1]
    w = _matrices(kept / np.sqrt(1 - kept), turned)[:, :, 1]
    trace = float(d.sum() - (w**2).sum())
    cross = w.T @ w
    square = float((d**2).sum() - 2 * (d * (w**2).sum(axis=1)).sum() + (cross**2).sum())
    return trace**2 / square if square > 0 else 0.0
