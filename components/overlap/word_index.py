"""The items' words: their runs of 8 and of 13, and TF-IDF vectors, searched in texts that pass by once.

TF-IDF is that of the support map: words of two or more characters, weight (1 + ln count) (ln((1 + n) / (1 + df)) + 1),
vectors of length 1; n and df count the items alone. So new training data change no weight, and the highest cosine over
two sets of data is the higher of the two: the index grows without being built again. Words that no item has take no
part, as in sklearn's TfidfVectorizer fitted on the items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Bytes, Floats, Ints, inlined, kernel
from components.overlap.tables import FREE, Vocabulary, build_vocabulary, num_slots
from components.overlap.words import all_words, lowered, word_characters

SHORT_RUN, LONG_RUN = 8, 13
_BASE = np.uint64(0x100000001B3)


class Runs(NamedTuple):
    """Distinct runs of `size` words that the items hold."""

    size: int
    """Words in a run."""
    power: np.uint64
    """What the oldest word of a run has been multiplied by when it leaves."""
    slots: Ints
    """(2^k): number of a run; -1 = free. At most half full."""
    firsts: Ints
    """(runs): where the run first stands in the items' words."""
    at: Ints
    """(items' words): number of the run that begins there; -1 when the item ends before."""


class Vectors(NamedTuple):
    """TF-IDF of the items. Words that many items share are kept apart: their part of a cosine is bounded, not added."""

    rarity: Floats
    """(words): inverse document frequency; 0 = too short a word."""
    common: Bytes
    """(words): 1 = many items share it."""
    word_starts: Ints
    """(words + 1): which of the next two belong to a word; none for a common one."""
    items: Ints
    """Items that hold it."""
    weights: Floats
    """Its weight in their vectors."""
    item_starts: Ints
    """(items + 1): which of the next two belong to an item's common words."""
    common_words: Ints
    """A common word of it."""
    common_weights: Floats
    """That word's weight in its vector."""
    common_norms: Floats
    """(items): length of the common part of its vector."""


class WordIndex(NamedTuple):
    """All that is needed to search a text's words."""

    is_word: Bytes
    """See `word_characters`."""
    words: Vocabulary
    """All words of the items."""
    numbers: Ints
    """The items' words one after another, by number."""
    starts: Ints
    """(items + 1): which of them are an item's."""
    short: Runs
    """Runs of 8."""
    long: Runs
    """Runs of 13."""
    vectors: Vectors
    """For the cosine."""


def build_word_index(texts: Sequence[str]) -> WordIndex:
    """Index `texts`; about 200 bytes of memory for each of their words."""
    lines = lowered(texts)
    bounds, counts = all_words(lines)
    words, numbers = build_vocabulary(lines.text, bounds)
    starts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    short_word = np.array([len(lines.text[a:b].tobytes().decode()) < 2 for a, b in words.bounds], dtype=bool)
    return WordIndex(
        is_word=word_characters(),
        words=words,
        numbers=numbers,
        starts=starts,
        short=_runs(numbers, starts, SHORT_RUN),
        long=_runs(numbers, starts, LONG_RUN),
        vectors=_vectors(numbers, starts, short_word),
    )


def _runs(numbers: Ints, starts: Ints, size: int) -> Runs:
    most = int(np.maximum(np.diff(starts) - size + 1, 0).sum())
    power = np.uint64(pow(int(_BASE), size, 1 << 64))
    slots, firsts = np.full(num_slots(most), FREE, dtype=np.int64), np.empty(most, dtype=np.int64)
    runs = Runs(size, power, slots, firsts, np.full(len(numbers), FREE, dtype=np.int64))
    count = _enter_runs(numbers, starts, runs)
    return runs._replace(firsts=runs.firsts[:count].copy())


@inlined
def rolled(value: np.uint64, number: int) -> np.uint64:
    """The hash of a run after one more word."""
    return value * _BASE + np.uint64(number + 1)


@inlined
def _slot_of(value: np.uint64, mask: int) -> int:
    return np.int64((value ^ (value >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) & mask  # type: ignore[return-value]


@kernel
def _enter_runs(numbers: Ints, starts: Ints, runs: Runs) -> int:
    mask = len(runs.slots) - 1
    count = 0
    for item in range(len(starts) - 1):
        for begin in range(starts[item], starts[item + 1] - runs.size + 1):
            value = np.uint64(0)
            for k in range(begin, begin + runs.size):
                value = rolled(value, numbers[k])
            slot = _slot_of(value, mask)
            while runs.slots[slot] != FREE:
                first = runs.firsts[runs.slots[slot]]
                k = 0
                while k < runs.size and numbers[first + k] == numbers[begin + k]:
                    k += 1
                if k == runs.size:
                    break
                slot = (slot + 1) & mask
            if runs.slots[slot] == FREE:
                runs.slots[slot] = count
                runs.firsts[count] = begin
                count += 1
            runs.at[begin] = runs.slots[slot]
    return count


@inlined
def find_run(numbers: Ints, runs: Runs, value: np.uint64, recent: Ints, newest: int) -> int:
    """The run whose last word stands at `newest` of the ring `recent`; -1 when no item has it."""
    mask, ring = len(runs.slots) - 1, len(recent) - 1
    slot = _slot_of(value, mask)
    while runs.slots[slot] != FREE:
        first = runs.firsts[runs.slots[slot]]
        k = 0
        while k < runs.size and numbers[first + k] == recent[(newest - runs.size + 1 + k) & ring]:
            k += 1
        if k == runs.size:
            return runs.slots[slot]  # type: ignore[no-any-return]
        slot = (slot + 1) & mask
    return FREE


def _vectors(numbers: Ints, starts: Ints, short_word: np.ndarray) -> Vectors:
    from scipy.sparse import csr_array

    num_items, num_words = len(starts) - 1, len(short_word)
    # Copies: adding up duplicates happens in place.
    entries = (np.ones(len(numbers)), numbers.copy(), starts.copy())
    counts = csr_array(entries, shape=(num_items, max(1, num_words)))
    counts.sum_duplicates()
    frequency = np.bincount(counts.indices, minlength=max(1, num_words))
    rarity = np.log((1 + num_items) / (1 + frequency)) + 1.0
    rarity[:num_words][short_word] = 0.0
    counts.data = (1.0 + np.log(counts.data)) * rarity[counts.indices]
    norms = np.sqrt(counts.multiply(counts).sum(axis=1))
    counts.data /= np.repeat(np.where(norms > 0.0, norms, 1.0), np.diff(counts.indptr))
    common = frequency > max(8, num_items // 64)
    is_common = common[counts.indices]
    ours, theirs = counts.copy(), counts.copy()
    ours.data[~is_common] = 0.0
    theirs.data[is_common] = 0.0
    ours.eliminate_zeros()
    theirs.eliminate_zeros()
    rare = theirs.tocsc()
    return Vectors(
        rarity=rarity,
        common=common.astype(np.uint8),
        word_starts=rare.indptr.astype(np.int64),
        items=rare.indices.astype(np.int64),
        weights=rare.data.astype(np.float64),
        item_starts=ours.indptr.astype(np.int64),
        common_words=ours.indices.astype(np.int64),
        common_weights=ours.data.astype(np.float64),
        common_norms=np.sqrt(ours.multiply(ours).sum(axis=1)),
    )
