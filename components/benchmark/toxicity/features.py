"""Text -> hashed counts of its words and of the letter groups within its words. No list of words is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import HashingVectorizer

from components.benchmark.toxicity.spelling import plain_spelling

WORD_BUCKETS = 1 << 17
LETTER_BUCKETS = 1 << 18
SHORTEST_GROUP, LONGEST_GROUP = 3, 5

_NUMBER = re.compile(r"\b\d[\d.,:]*\b")
_WORDS = HashingVectorizer(
    n_features=WORD_BUCKETS, token_pattern=r"(?u)\b\w+\b", alternate_sign=False, norm=None, lowercase=False
)
_LETTERS = HashingVectorizer(
    n_features=LETTER_BUCKETS,
    analyzer="char_wb",
    ngram_range=(SHORTEST_GROUP, LONGEST_GROUP),
    alternate_sign=False,
    norm=None,
    lowercase=False,
)


def count(texts: Sequence[str]) -> tuple[csr_array, csr_array]:
    """Damped counts, 1 + ln(count), of words and of letter groups.

    Returns:
        Two sparse matrices, [texts, WORD_BUCKETS] and [texts, LETTER_BUCKETS].
    """
    spelled = [plain_spelling(text) for text in texts]
    words, letters = csr_array(_WORDS.transform(spelled)), csr_array(_LETTERS.transform(spelled))
    for block in (words, letters):
        block.data = 1.0 + np.log(block.data)
    return words, letters


def known_share(texts: Sequence[str], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each text's words that are known; 1 for a text of numbers.

    Args:
        texts: The texts.
        seen: [WORD_BUCKETS]; which buckets count as known.
    """
    counts = csr_array(_WORDS.transform([_NUMBER.sub(" ", plain_spelling(text)) for text in texts]))
    total = np.asarray(counts.sum(axis=1)).ravel()
    met = counts @ seen.astype(float)
    return np.where(total > 0, met / np.maximum(total, 1.0), 1.0)


def rarity(counts: csr_array) -> NDArray[np.float32]:
    """Smoothed inverse document frequency, ln((1 + n) / (1 + df)) + 1; 0 for a bucket no text fell into.

    Spärck Jones 1972, smoothed as scikit-learn does. An unseen bucket says nothing, so it must not shrink the others.
    """
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    weights = np.log((1 + counts.shape[0]) / (1 + frequency)) + 1.0
    return np.where(frequency > 0, weights, 0.0).astype(np.float32)


def weigh(counts: csr_array, weights: NDArray[np.float32]) -> csr_array:
    """Counts times rarity, each row of length 1 (or 0 where nothing in it was seen before).

    Args:
        counts: [texts, buckets].
        weights: [buckets].
    """
    weighed = counts.copy()
    weighed.data = weighed.data * weights[weighed.indices]
    squares = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    weighed.data /= np.repeat(np.where(squares > 0, squares, 1.0), np.diff(weighed.indptr))
    return weighed
