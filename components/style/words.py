"""The word rule, and how many words two texts share."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"\w+")


def split_words(text: str) -> list[str]:
    """Every `\\w+` run, lower-cased. An apostrophe ends a word: "don't" is `don`, `t`."""
    return _WORD.findall(text.lower())


def unigram_f1(mine: Counter[str], other: Counter[str]) -> float:
    """100 x multiset F1 of two word counts, 0-100. Two empty texts are identical (100)."""
    total = mine.total() + other.total()
    if total == 0:
        return 100.0
    # Over the smaller vocabulary only: Counter's `&` walks the left operand whatever its size.
    small, large = (mine, other) if len(mine) <= len(other) else (other, mine)
    shared = sum(min(count, large[word]) for word, count in small.items() if word in large)
    return 200.0 * shared / total
