"""Style-adjusted preference under resampled prompts: ours beside refitting on copied rows, as FastChat's analyses do.

Reference: for every resample of prompts, the rows are copied, every vote stands twice (a tie once as won and once as
lost) and scikit-learn's LogisticRegression is fitted. It is timed on the first resamples and scaled to all.
TOUCHSTONE_BENCH_RESAMPLES sets how many it really fits.
"""

import os
import time
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from components.report.preferring.resampling import drawn_weights
from components.report.preferring.style_design import Design
from components.report.preferring.style_fit import Solver
from components.report.preferring.style_preference import CHUNK
from components.report.preferring.style_rows import FLOOR

NUM_VOTES, NUM_PROMPTS, RESAMPLES = 20_000, 2_000, 1_000
REFERENCE_RESAMPLES = int(os.environ.get("TOUCHSTONE_BENCH_RESAMPLES", "50"))
NUM_STYLES = 5
TOLERANCE = 1e-5
"""Of coefficients; the reference's gradient tolerance bounds what can be asked of it."""


def run() -> dict[str, Any]:
    pair, arena = votes(2, 0), votes(10, 0)
    results = {name: _compare(design) for name, design in (("2 models", pair), ("10 models", arena))}
    raters_s, _, raters_converged = _ours(votes(2, 50))
    ours_s, reference_s, largest, pair_converged = results["2 models"]
    other_ours, other_reference, other_largest, arena_converged = results["10 models"]
    converged = raters_converged and pair_converged and arena_converged
    return {
        "work": f"{RESAMPLES:,} resamples of {NUM_PROMPTS:,} prompts, {NUM_VOTES:,} votes between 2 models, "
        f"{NUM_STYLES} style differences and the place, no penalty",
        "ours_s": round(ours_s, 3),
        "reference": "scikit-learn LogisticRegression (lbfgs, tol 1e-8) on copied rows, every vote twice",
        "reference_s": round(reference_s, 1),
        "equal": max(largest, other_largest) < TOLERANCE and converged,
        "note": f"reference scaled from {REFERENCE_RESAMPLES} resamples, on which coefficients differ by at most "
        f"{largest:.0e}; 10 models {other_ours:.2f} s against {other_reference:.0f} s "
        f"({other_reference / other_ours:.0f}x, {other_largest:.0e}); with leanings of 50 raters besides, which the "
        f"reference has not, {raters_s:.2f} s; drawing resamples is in all times, all fits converged; one thread each",
    }


def votes(num_models: int, num_raters: int) -> Design:
    """Votes between models drawn at random, no two rows alike, so that nothing can be added up beforehand."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, num_models, NUM_VOTES)
    second = (first + rng.integers(1, num_models, NUM_VOTES)) % num_models
    if num_models == 2:
        first, second = np.zeros_like(first), np.ones_like(second)
    strengths = np.zeros((NUM_VOTES, num_models))
    strengths[np.arange(NUM_VOTES), first] += 1
    strengths[np.arange(NUM_VOTES), second] -= 1
    styles = rng.standard_normal((NUM_VOTES, NUM_STYLES))
    place = rng.choice([-1.0, 1.0], NUM_VOTES)
    x = np.column_stack([strengths[:, : num_models - 1], styles, place])
    felt = x @ (0.4 * rng.standard_normal(x.shape[1])) + rng.logistic(size=NUM_VOTES)
    rater = rng.integers(0, num_raters, NUM_VOTES) if num_raters else np.full(NUM_VOTES, -1)
    return Design(
        x=x,
        y=np.where(felt > 0.4, 1.0, np.where(felt < -0.4, 0.0, 0.5)),
        size=np.ones(NUM_VOTES),
        prompt=np.repeat(np.arange(NUM_PROMPTS), NUM_VOTES // NUM_PROMPTS),
        penalty=np.full(x.shape[1], FLOOR),
        rater=rater,
        rater_penalty=np.ones(num_raters),
    )


def _compare(design: Design) -> tuple[float, float, float, bool]:
    ours_s, terms, converged = _ours(design)
    began = time.perf_counter()
    with threadpool_limits(limits=1):  # as ours
        expected = _reference(design)
    reference_s = (time.perf_counter() - began) * RESAMPLES / REFERENCE_RESAMPLES
    return ours_s, reference_s, float(np.abs(terms[:, :REFERENCE_RESAMPLES].T - expected).max()), converged


def _ours(design: Design) -> tuple[float, np.ndarray, bool]:
    began = time.perf_counter()
    solver = Solver(design)
    whole = solver.whole()
    fits = [solver.fit(weights, whole.point) for weights in _drawn(design)]
    seconds = time.perf_counter() - began
    return seconds, np.concatenate([f.point.terms for f in fits], axis=1), all(f.converged.all() for f in fits)


def _drawn(design: Design) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [
        drawn_weights(design.num_prompts, min(CHUNK, RESAMPLES - begin), rng) for begin in range(0, RESAMPLES, CHUNK)
    ]


def _reference(design: Design) -> np.ndarray:
    """One prompt is a run of rows here, so that copying a prompt is copying its rows."""
    each = NUM_VOTES // NUM_PROMPTS
    found = []
    for weights in np.concatenate(_drawn(design), axis=1).T[:REFERENCE_RESAMPLES]:
        prompts = np.repeat(np.arange(NUM_PROMPTS), weights.astype(int))
        rows = (prompts[:, None] * each + np.arange(each)).ravel()
        x, y = design.x[rows], design.y[rows]
        doubled = np.concatenate([x, x])
        outcome = np.concatenate([y > 0.25, y > 0.75]).astype(int)
        fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8, max_iter=1000).fit(doubled, outcome)
        found.append(fitted.coef_[0])
    return np.array(found)
