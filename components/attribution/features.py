"""What can be counted in a text without a model: trigrams, rates of frequent words, the surface of the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from components.attribution.texts import Floats, Indices, Material

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


@dataclass(frozen=True)
class Counted:
    """Counts of every text, made once for all tests; what is chosen by them is chosen anew from each test's texts."""

    data: Material
    """The texts."""

    @cached_property
    def trigrams(self) -> Any:
        """Occurrences of character trigrams, lower-cased: a sparse matrix of texts x trigrams in alphabetic order."""
        return _trigrams(tuple(row.text for row in self.data.rows))

    @cached_property
    def words(self) -> Sequence[Counter[str]]:
        """Occurrences of the words of each text."""
        return [Counter(words(row.text)) for row in self.data.rows]

    @cached_property
    def surface(self) -> Floats:
        """As the function of that name."""
        return _surfaces(tuple(row.text for row in self.data.rows))

    def of(self, which: Indices) -> list[Counter[str]]:
        """Words of some texts."""
        return [self.words[i] for i in which]


# Two questions are usually asked of the same texts, one after the other.
@lru_cache(maxsize=1)
def _trigrams(texts: tuple[str, ...]) -> Any:
    return CountVectorizer(analyzer="char", ngram_range=(3, 3)).fit_transform(texts)


@lru_cache(maxsize=1)
def _surfaces(texts: tuple[str, ...]) -> Floats:
    return surface(texts)


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

    def fit(self, texts: Sequence[Counter[str]]) -> FrequentWords:
        """Choose the words: by their mean rate, so that long texts do not choose alone; ties by spelling."""
        totals: Counter[str] = Counter()
        for counts in texts:
            total = counts.total()
            for word, times in counts.items():
                totals[word] += times / total  # type: ignore[assignment]  # a Counter adds up fractions as well
        self.vocabulary = tuple(sorted(totals, key=lambda word: (-totals[word], word))[: self._count])
        return self

    def transform(self, texts: Sequence[Counter[str]]) -> Floats:
        """Occurrences per word of the text: texts x words, in [0, 1]. A text without words has zeros."""
        made = np.zeros((len(texts), len(self.vocabulary)))
        for row, counts in enumerate(texts):
            total = max(1, counts.total())
            made[row] = [counts[word] / total for word in self.vocabulary]
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
        sum(map(str.isupper, text)),
        sum(map(str.isdigit, text)),
        *(text.count(mark) for mark in _MARKS),
    ]
    return [
        float(np.log1p(len(found))),
        sum(map(len, found)) / number,
        len(found) / max(1, len(_SENTENCE_END.findall(text))),
        float(np.log1p(len([part for part in text.split("\n\n") if part.strip()]))),
        *(100.0 * count / number for count in counted),
    ]
