"""A lexical tone score: counted words, no model. It is reported under its own name and never mixed with a judge's."""

from __future__ import annotations

from collections.abc import Sequence

from components.style.lexicon import count_phrases

LEXICAL_SCORER = "lexical"
"""Name of this score in rows."""
LISTS = ("boosters", "hedges", "first_person_doubt")
DOUBT_WEIGHT = 2
NEUTRAL_PER_100_WORDS = 1.0


def authoritative(words: Sequence[str]) -> float | None:
    """How much a text claims rather than doubts, in [0, 1]; None for an empty text.

        score = 1/2 + 1/2 x (b - h - 2d) / (b + h + 2d + u),   u = max(words, 100) / 100

    b, h and d count boosters, hedges and first-person doubts (`data/*.txt`). u is neutral evidence, one mark for each
    hundred words: it makes the score a rate, so that length alone moves nothing, and keeps one "maybe" in a short
    answer from deciding it. 0.5 = no marks, or as many for as against.
    """
    if not words:
        return None
    counts = count_phrases(words, LISTS)
    claims = counts["boosters"]
    doubts = counts["hedges"] + DOUBT_WEIGHT * counts["first_person_doubt"]
    neutral = NEUTRAL_PER_100_WORDS * max(len(words), 100) / 100
    return 0.5 + 0.5 * (claims - doubts) / (claims + doubts + neutral)
