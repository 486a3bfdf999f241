"""What can be counted in a text without a model: rates of frequent words, and the surface of the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from components.attribution.texts import Floats

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)")
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_HEADER = re.compile(r"^#{1,6}[ \t]", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*")
_MARKS = (",", ";", ":", "!", "?", '"', "'", "(", "-", "\n")

SURFACE = (
    "log_words",
    "word_characters",
    "sentence_words",
    "log_paragraphs",
    "list_items",
    "headers",
    "bold_runs",
    "capitals",
    "digits",
    *(f"mark {mark!r}" for mark in _MARKS),
)
"""Names of the columns of `surface`."""


def words(text: str) -> list[str]:
    """Every `\\w+` run, lower-cased: the word rule of the style metrics."""
    return _WORD.findall(text.lower())


class FrequentWords:
    """Rates of the words that are most frequent in the texts learned from (Burrows 2002: the features of his Delta).

    They are function words in the main, and say little about what a text is about.
    """

    def __init__(self, count: int) -> None:
        """Use so many words."""
        self._count = count
        self.vocabulary: tuple[str, ...] = ()
        """The words, the most frequent first; known after `fit`."""

    def fit(self, texts: Sequence[str]) -> FrequentWords:
        """Choose the words: by their mean rate, so that long texts do not choose alone; ties by spelling."""
        totals: Counter[str] = Counter()
        for text in texts:
            found = words(text)
            for word, times in Counter(found).items():
                totals[word] += times / len(found)  # type: ignore[assignment]  # a Counter adds up fractions as well
        self.vocabulary = tuple(sorted(totals, key=lambda word: (-totals[word], word))[: self._count])
        return self

    def transform(self, texts: Sequence[str]) -> Floats:
        """Occurrences per word of the text: texts x words, in [0, 1]. A text without words has zeros."""
        made = np.zeros((len(texts), len(self.vocabulary)))
        for row, text in enumerate(texts):
            found = words(text)
            counts = Counter(found)
            made[row] = [counts[word] / max(1, len(found)) for word in self.vocabulary]
        return made


def surface(texts: Sequence[str]) -> Floats:
    """Length, lists, markup, capitals and punctuation: texts x `SURFACE`. Counts are per 100 words, but for the first
    four columns: natural logarithm of the number of words, characters a word, words a sentence, log of paragraphs."""
    return np.array([_surface(text) for text in texts]).reshape(len(texts), len(SURFACE))


def _surface(text: str) -> list[float]:
    found = words(text)
    number = max(1, len(found))
    counted = [
        len(_LIST_ITEM.findall(text)),
        len(_HEADER.findall(text)),
        len(_BOLD.findall(text)),
        sum(char.isupper() for char in text),
        sum(char.isdigit() for char in text),
        *(text.count(mark) for mark in _MARKS),
    ]
    return [
        float(np.log1p(len(found))),
        sum(map(len, found)) / number,
        len(found) / max(1, len(_SENTENCE_END.findall(text))),
        float(np.log1p(len([part for part in text.split("\n\n") if part.strip()]))),
        *(100.0 * count / number for count in counted),
    ]
