"""Reading answers: exact match as the Natural Questions scorers define it, strictly and inside a longer reply."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
STOCK_STOPS = ("\n", ".", ",")
"""Where lm-evaluation-harness ends an NQ answer. It costs chatty models points for their style alone."""
EXTRACT_WITHIN_WORDS = 20
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space (Lee et al. 2019, the NQ-open scorer)."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def strict_match(reply: str, answers: Sequence[str], stops: Sequence[str] = STOCK_STOPS) -> bool:
    """The reply, cut at the first of `stops`, equals one of `answers` after normalising both."""
    reply = reply.lstrip()
    cut = min((at for stop in stops if (at := reply.find(stop)) >= 0), default=len(reply))
    return normalise(reply[:cut]) in {normalise(answer) for answer in answers}


def extracted_match(reply: str, answers: Sequence[str], within_words: int = EXTRACT_WITHIN_WORDS) -> bool:
    """One of `answers` stands, as whole words, among the first words of the reply.

    Only the first `within_words` words count: a reply that lists everything it can think of is not an answer.
    """
    words = normalise(reply).split()[:within_words]
    padded = f" {' '.join(words)} "
    found = (normalise(answer) for answer in answers)
    return any(f" {answer} " in padded for answer in found if answer)


def best_choice(logprobs: Sequence[float]) -> int:
    """Index of the most likely option; the first of equals, as in lm-evaluation-harness."""
    return max(range(len(logprobs)), key=lambda index: (logprobs[index], -index))
