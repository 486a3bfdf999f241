"""Raters and judges heard together: whom they prefer, and whether what they say may count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import JudgeQualification
from components.contracts.preference_rows import PLACEBO, GoldLabel, StyleFeatures
from components.contracts.rows import Role
from components.contracts.verdict import PreferenceResult
from components.report.policy import Policy
from components.report.preferring.preference import preferences
from components.report.preferring.qualification import qualify


class Drawn(NamedTuple):
    """How intervals are drawn."""

    alpha: float
    resamples: int
    seed: int


def heard(
    judgments: Sequence[Judgment],
    features: Iterable[StyleFeatures],
    gold: Sequence[GoldLabel],
    *,
    models: Mapping[Role, str],
    policy: Policy,
    drawn: Drawn,
) -> tuple[tuple[PreferenceResult, ...], tuple[JudgeQualification, ...]]:
    """Preferences between models, and what the placebos say of each source.

    Args:
        judgments: Rows of any number of sources; those that name a placebo say nothing of the models.
        features: Surface of the outputs; none = no adjustment for style.
        gold: People's labels.
        models: Role -> name.
        policy: What a judge must show.
        drawn: Level, resamples and seed of the intervals.
    """
    alpha, resamples, seed = drawn
    judges = qualify(
        judgments,
        gold,
        policy.judges,
        max_unscored=policy.max_unscored,
        models=models,
        alpha=alpha,
        resamples=resamples,
        seed=seed,
    )
    real = [row for row in judgments if not (row.model.startswith(PLACEBO) or row.opponent.startswith(PLACEBO))]
    liked = preferences(real, models=models, alpha=alpha, resamples=resamples, seed=seed, features=features, gold=gold)
    qualified = {judge.source: judge.qualified for judge in judges}
    return tuple(row.model_copy(update={"qualified": qualified.get(row.source)}) for row in liked), judges


def judge_remarks(judges: Iterable[JudgeQualification]) -> list[str]:
    """What a reader must know of judges that may not gate."""
    return [
        f"{judge.source} is shown and gates nothing: {'; '.join(judge.reasons)}."
        for judge in judges
        if not judge.qualified
    ]
