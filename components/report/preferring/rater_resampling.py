"""How sure a share is when other raters might have been asked: prompts and raters resampled together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import sparse, special

from components.contracts.crowd_rows import NOBODY
from components.contracts.preference_results import Interval
from components.report.clustered import Floats
from components.report.preferring.agreement import Voices
from components.report.preferring.resampling import drawn_weights
from components.report.quantiles import t_quantile, wilson

Bools = npt.NDArray[np.bool_]
CHUNK = 64
"""Resamples held together."""


def rater_interval(voices: Voices, *, alpha: float, resamples: int, seed: int) -> Interval | None:
    """Interval of the share of prompts not lost by majority, prompts and raters both drawn anew; None for one rater.

    Student's t of R - 1 around the share's log-odds, with the larger of two spreads. One is that of resamples that draw
    prompts and, independently, raters (the pigeonhole bootstrap, Owen 2007): a vote counts as often as its rater was
    drawn, a prompt none of whose raters was drawn is passed over. Repeated raters make for more prompts without a
    strict majority, so that the draws lie above the share itself: only their spread is used, times sqrt(R / (R - 1)),
    because that of few raters' mean comes out too small by its inverse. Majorities of repeated and missing raters also
    hang less on each rater than those that were voted; the other spread (`spread_over_raters`) is free of that, but
    knows nothing where everybody rated everything.

    Simulated at 95% with three votes on each of 50 or 255 prompts, by pools of 3 to 70 raters who lean by 0, 1 or 3
    log-odds (prompts differ by about one), equally busy or not: 93-100% (prompts alone: 57-85%; the bootstrap alone: 86
    to 91% of 20 to 70 raters who lean by three). Few raters who lean far have intervals that say next to nothing.
    """
    raters = sorted({name for votes in voices.values() for name in votes} - {NOBODY})
    if len(raters) < 2:
        return None
    prompts = sorted(item for item, votes in voices.items() if votes)
    # One text twice is no loss, whoever might have been asked.
    settled = np.array([NOBODY in voices[item] for item in prompts])[:, None]
    cast = {outcome: _cast(voices, prompts, raters, outcome) for outcome in ("win", "tie", "loss")}
    kept = _not_lost(cast, np.ones((len(raters), 1)), settled)[0][:, 0]
    if kept.all() or not kept.any():
        return wilson(int(kept.sum()), len(prompts), alpha)
    who = cast["win"] + cast["tie"] + cast["loss"]
    spread = max(_drawn_spread(cast, settled, len(raters), resamples, seed), spread_over_raters(kept, who))
    share = float(kept.mean())
    half = t_quantile(1 - alpha / 2, len(raters) - 1) * spread / (share * (1 - share))
    centre = float(special.logit(share))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def _drawn_spread(
    cast: dict[str, sparse.csr_array], settled: Bools, num_raters: int, resamples: int, seed: int
) -> float:
    """Standard error of the share by the pigeonhole bootstrap."""
    rng = np.random.default_rng([seed, 6])
    draws: list[float] = []
    for begin in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - begin)
        chosen = drawn_weights(len(settled), size, rng)
        held, heard = _not_lost(cast, drawn_weights(num_raters, size, rng), settled)
        base = (chosen * heard).sum(axis=0)
        draws += list((chosen * held).sum(axis=0)[base > 0] / base[base > 0])
    return float(np.std(draws)) * math.sqrt(num_raters / (num_raters - 1))


def spread_over_raters(kept: Floats, who: sparse.csr_array) -> float:
    """Standard error of the share of prompts that were not lost, for other prompts and other raters; 0 = not known.

    Every rater's prompts are left out in turn, which leaves other raters' majorities as they were voted. With y_i of n
    prompts, s their mean, n_r prompts of rater r of R, and s_-r the mean of the n - n_r others:

        V = (R - 1) / R sum_r (s_-r - s)^2 - sum_i (c_i - 1 / n^2) (y_i - s)^2

    The first term is the delete-one jackknife over raters. A prompt is in it once for each of its raters, so that its
    own noise counts c_i = (R - 1) / R sum_r (d s_-r / d y_i - 1 / n)^2 times, where once is 1 / n^2. The second term
    takes off the rest, as inclusion and exclusion do for several ways of clustering (Cameron, Gelbach and Miller 2011).
    Where the effects of a prompt's raters add up and all raters have as many prompts, V is without bias.

    Args:
        kept: (n,) y, 1 = not lost.
        who: (n, R), 1 = the rater voted on the prompt.
    """
    n = len(kept)
    rest = n - np.asarray(who.sum(axis=0)).ravel()
    who, rest = who[:, rest > 0], rest[rest > 0]
    r = len(rest)
    if r < 2:
        return 0.0
    off = kept - kept.mean()
    left_out = (who.T @ off) / rest
    times = (1 / rest**2).sum() - who @ (1 / rest**2) - 2 / n * ((1 / rest).sum() - who @ (1 / rest)) + r / n**2
    noise = (((r - 1) / r * times - 1 / n**2) * off**2).sum()
    return math.sqrt(max(0.0, (r - 1) / r * float((left_out**2).sum()) - float(noise)))


def _cast(voices: Voices, prompts: list[str], raters: list[str], outcome: str) -> sparse.csr_array:
    """(prompts, raters), 1 where the rater named the outcome."""
    column = {name: k for k, name in enumerate(raters)}
    cells = [
        (row, column[name])
        for row, prompt in enumerate(prompts)
        for name, vote in voices[prompt].items()
        if vote == outcome and name in column
    ]
    rows, columns = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    return sparse.csr_array((np.ones(len(cells)), (rows, columns)), shape=(len(prompts), len(raters)))


def _not_lost(cast: dict[str, sparse.csr_array], raters: Floats, settled: Bools) -> tuple[Floats, Floats]:
    """Of each prompt (rows) under rater weights (columns): whether no strict majority lost it, whether that is known.

    Args:
        cast: Outcome -> who named it.
        raters: (raters, columns), how often each counts.
        settled: (prompts, 1), those that are not lost whoever votes.
    """
    wins, ties, losses = (cast[outcome] @ raters for outcome in ("win", "tie", "loss"))
    total = wins + ties + losses
    known = (total > 0) | settled
    return (known & (2 * losses <= total)).astype(np.float64), known.astype(np.float64)
