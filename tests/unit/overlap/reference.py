"""The same answers by sacrebleu, sklearn and `re`, text by text."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU

SACREBLEU = BLEU(effective_order=True)
COMMON = ["the", "of", "a", "in", ",", ".", "what", "is", "who", "was"]
RARE = ["5", "5.5", "x", "-", "dog", "cat", "run", "tree", "house", "é", "zz", *(f"w{n}" for n in range(40))]


def text(draw: random.Random, most_words: int) -> str:
    words = (draw.choice(COMMON if draw.random() < 0.6 else RARE) for _ in range(draw.randint(0, most_words)))
    return " ".join(words)


def corpus(draw: random.Random, items: Sequence[str], size: int) -> list[str]:
    """Random texts of all lengths; some repeat pieces of items, some are repeated."""
    found = [text(draw, draw.choice([3, 10, 40, 100])) for _ in range(size)]
    for _ in range(size // 4):
        words = draw.choice(items).split()
        begin = draw.randrange(len(words) + 1)
        piece = " ".join(words[begin : begin + draw.randint(3, 16)])
        found.insert(draw.randrange(len(found)), f"{text(draw, 4)} {piece} {text(draw, 4)}")
    return found + draw.sample(found, size // 10)


def nearest(item: str, texts: Sequence[str]) -> tuple[float, int]:
    """Highest BLEU and the first text that gives it; -1 when it is 0."""
    scores = [SACREBLEU.sentence_score(item, [other]).score for other in texts]
    best = max(scores, default=0.0)
    return best, scores.index(best) if best > 0.0 else -1


def run_share(item: str, texts: Sequence[str], size: int) -> float | None:
    """Share of the item's runs of words that stand in a text."""

    def runs(words: list[str]) -> list[tuple[str, ...]]:
        return [tuple(words[k : k + size]) for k in range(len(words) - size + 1)]

    known = {run for other in texts for run in runs(re.findall(r"\w+", other.lower()))}
    own = runs(re.findall(r"\w+", item.lower()))
    return sum(run in known for run in own) / len(own) if own else None
