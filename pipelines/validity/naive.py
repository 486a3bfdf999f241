"""The usual practice of the field on the same answers, so that its false rates stand beside ours.

* *Unpaired z*: two accuracies compared as if other items had been asked (a binomial standard error each), at 5% on each
  benchmark; "the imitator improved" when any benchmark rose, "it caught up" when it does not differ from the target.
* *Judge's win rate*: preferences over open prompts; "as good as the target" when the interval of the share of wins and
  ties lies above one half. Judges look at style, so this says nothing on ability.
* *Votes as if independent*: several votes on a prompt resampled one by one, as if each were a prompt of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.report.clustered import Floats
from components.report.quantiles import t_quantile, wilson
from pipelines.validity.drawing import PROMPTS, Answers

Z = t_quantile(0.975, math.inf)
RATERS = 3
AT_LEAST_TARGET = 0.70
"""The study's share of prompts on which people rated the 13B imitator at least as good as ChatGPT (section 4.2)."""
VOTE_SPREAD = 1.0
"""Standard deviation, in logits, of what prompts do to all votes on them: agreement as between the study's raters."""


def unpaired_gain(drawn: Sequence[Answers]) -> bool:
    """Whether an unpaired z test finds some benchmark better than the base."""
    return any(_z(answers.values["base"], answers.values["imitator"]) > Z for answers in drawn)


def unpaired_parity(drawn: Sequence[Answers]) -> bool:
    """Whether it finds no difference from the target on some benchmark: "on par"."""
    return any(abs(_z(answers.values["imitator"], answers.values["target"])) <= Z for answers in drawn)


def _z(before: Floats, after: Floats) -> float:
    """Difference of two means over their binomial standard errors, as if independent."""
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    p, q = float(before.mean()), float(after.mean())
    spread = math.sqrt(p * (1 - p) / len(before) + q * (1 - q) / len(after))
    return (q - p) / spread if spread > 0 else 0.0


def judged_as_good(rng: np.random.Generator, prompts: int = PROMPTS) -> bool:
    """Whether a judge's win rate says that a styled imitator without any gain is as good as its target."""
    return wilson(int(rng.binomial(prompts, AT_LEAST_TARGET)), prompts, 0.05)[0] > 0.5


@dataclass(frozen=True)
class Votes:
    """How an interval of a win rate comes out when nobody is better."""

    false_wins: float
    """Share of experiments that call one side better."""
    coverage: float
    """Share of intervals that hold the true share, one half."""


def votes(experiments: int, rng: np.random.Generator, *, by_prompt: bool, prompts: int = PROMPTS) -> Votes:
    """Experiments with RATERS votes a prompt and no true difference, resampled by prompts or vote by vote.

    A bootstrap of a mean is its normal limit here: the standard error of prompts' means, or of single votes.
    """
    hits, wrong = [], []
    for _ in range(experiments):
        leaning = VOTE_SPREAD * rng.standard_normal(prompts)
        cast = rng.random((prompts, RATERS)) < 1 / (1 + np.exp(-leaning))[:, None]
        sample = cast.mean(axis=1) if by_prompt else cast.ravel()
        half = Z * float(sample.std()) / math.sqrt(len(sample))
        share = float(cast.mean())
        hits.append(share - half <= 0.5 <= share + half)
        wrong.append(not share - half <= 0.5 <= share + half)
    return Votes(float(np.mean(wrong)), float(np.mean(hits)))
