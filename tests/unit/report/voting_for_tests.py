"""Simulated raters, with as little typing as possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_rows import StyleFeatures

PAIR = ("imitator", "target")
TIE = 0.4
"""Log-odds within which a rater does not care."""


def outputs(num_prompts: int, models: Sequence[str] = PAIR, *, seed: int = 0) -> list[StyleFeatures]:
    """Surface of every model on every prompt; the first model is longer and lists more."""
    rng = np.random.default_rng(seed)
    return [
        StyleFeatures(
            prompt_id=f"p{prompt}",
            model=model,
            words=int(rng.gamma(3, 60 if number else 90)) + 1,
            list_items=int(rng.poisson(3 if number else 4)),
            headers=int(rng.poisson(0.5)),
            bold_runs=int(rng.poisson(1)),
            has_summary=bool(rng.random() < 0.3),
        )
        for prompt in range(num_prompts)
        for number, model in enumerate(models)
    ]


def votes(
    features: Sequence[StyleFeatures],
    *,
    raters: int = 1,
    strength: float = 0.0,
    length: float = 0.0,
    place: float = 0.0,
    lean: float = 0.0,
    both_places: bool = False,
    voting: int | None = None,
    seed: int = 0,
) -> list[Judgment]:
    """Votes on all pairs of models of every prompt, with ties where raters hardly care.

    Args:
        features: Of the outputs.
        raters: Voices in all.
        strength: Log-odds of the first model over each other one.
        length: Log-odds for a normalised difference in words of 1.
        place: Log-odds of being shown first.
        lean: Spread of the raters' own liking for the first model.
        both_places: Every rater sees both orders; otherwise a random one.
        voting: How many of them, drawn anew, vote on each pair; all unless given.
        seed: Of everything drawn.
    """
    rng = np.random.default_rng([seed, 1])
    models = list(dict.fromkeys(row.model for row in features))
    by_prompt: dict[str, dict[str, StyleFeatures]] = {}
    for row in features:
        by_prompt.setdefault(row.prompt_id, {})[row.model] = row
    liking = lean * rng.standard_normal(raters)
    found = []
    for prompt, shown in by_prompt.items():
        for i, model in enumerate(models):
            for opponent in models[i + 1 :]:
                words, others = shown[model].words, shown[opponent].words
                pull = length * (words - others) / (words + others) + (strength if i == 0 else 0)
                for rater in range(raters) if voting is None else rng.choice(raters, voting, replace=False):
                    for sign in (1, -1) if both_places else (1 if rng.random() < 0.5 else -1,):
                        felt = pull + place * sign + (liking[rater] if i == 0 else 0) + rng.logistic()
                        found.append(_vote(prompt, rater, model, opponent, felt, sign))
    return found


def _vote(prompt: str, rater: int, model: str, opponent: str, felt: float, sign: int) -> Judgment:
    return Judgment(
        prompt_id=prompt,
        source="crowd",
        rater=f"r{rater}",
        model=model,
        opponent=opponent,
        outcome="win" if felt > TIE else "loss" if felt < -TIE else "tie",
        order="model_first" if sign > 0 else "opponent_first",
    )
