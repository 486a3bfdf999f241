"""Runs of words found anywhere in the texts, and the highest cosine to any prompt, over texts that pass by once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Bools, Bytes, Floats, Ints, kernel
from components.overlap.tables import FREE, find_word
from components.overlap.tokens import Buffer
from components.overlap.word_index import Vectors, WordIndex, find_run, rolled
from components.overlap.words import next_word

TIE = 1e-12
"""Cosines nearer than this are a tie, which the earlier prompt wins."""
_RING = 16
"""Words kept in mind: a power of two above the longest run."""


class Found(NamedTuple):
    """Which runs were met. Texts that are searched at the same time share it: it is only ever set."""

    short: Bytes
    """(runs of 8)"""
    long: Bytes
    """(runs of 13)"""


class Cosines(NamedTuple):
    """The nearest prompt met so far, for each item."""

    value: Floats
    """(items): cosine, 0 before any word was shared."""
    text: Ints
    """(items): the prompt's number; -1 = none."""


def nothing_found(index: WordIndex) -> Found:
    """Before the first text."""
    return Found(np.zeros(len(index.short.firsts), np.uint8), np.zeros(len(index.long.firsts), np.uint8))


def no_cosines(num_items: int) -> Cosines:
    """Before the first prompt."""
    return Cosines(np.zeros(num_items), np.full(num_items, FREE))


class _Scratch(NamedTuple):
    recent: Ints
    counts: Ints
    """(words): how often each stands in the prompt."""
    weights: Floats
    """(words): the prompt's vector."""
    seen: Ints
    """Words of the prompt, in the order met."""
    dots: Floats
    """(items): the cosine's part of rare words."""


@kernel
def _read(index: WordIndex, lines: Buffer, t: int, is_prompt: int, found: Found, scratch: _Scratch) -> int:
    """Read a text's words: mark the runs met, count a prompt's words; returns how many distinct ones it has."""
    short_size, long_size = index.short.size, index.long.size
    i, end = lines.offsets[t], lines.offsets[t + 1]
    short_hash = long_hash = np.uint64(0)
    position = streak = seen = 0
    while True:
        begin, i = next_word(lines.text, i, end, index.is_word)
        if begin == end:
            return seen
        word = find_word(index.words, lines.text, begin, i)
        if word == FREE:
            streak = 0
            short_hash = long_hash = np.uint64(0)
            continue
        if is_prompt and index.vectors.rarity[word] > 0.0:
            if scratch.counts[word] == 0:
                scratch.seen[seen] = word
                seen += 1
            scratch.counts[word] += 1
        position += 1
        streak += 1
        scratch.recent[position & (_RING - 1)] = word
        short_hash, long_hash = rolled(short_hash, word), rolled(long_hash, word)
        if streak > short_size:
            oldest = scratch.recent[(position - short_size) & (_RING - 1)]
            short_hash -= np.uint64(oldest + 1) * index.short.power
        if streak > long_size:
            oldest = scratch.recent[(position - long_size) & (_RING - 1)]
            long_hash -= np.uint64(oldest + 1) * index.long.power
        if streak >= short_size:
            run = find_run(index.numbers, index.short, short_hash, scratch.recent, position)
            if run != FREE:
                found.short[run] = 1
                # A run of 13 ends in a run of 8 of the same item.
                if streak >= long_size:
                    run = find_run(index.numbers, index.long, long_hash, scratch.recent, position)
                    if run != FREE:
                        found.long[run] = 1


@kernel
def _compare(vectors: Vectors, seen: int, number: int, best: Cosines, scratch: _Scratch) -> None:
    """Let a prompt's vector compete with every item's nearest.

    The rare words' part of a cosine is added up; the common words' part is at most the product of the two vectors'
    lengths in common words (Cauchy and Schwarz), and is worked out only where that could win.
    """
    square = common_square = 0.0
    for s in range(seen):
        word = scratch.seen[s]
        weight = (1.0 + np.log(np.float64(scratch.counts[word]))) * vectors.rarity[word]
        scratch.weights[word] = weight
        square += weight * weight
        if vectors.common[word]:
            common_square += weight * weight
    norm = np.sqrt(square)
    common_norm = np.sqrt(common_square) / norm
    for s in range(seen):
        word = scratch.seen[s]
        scratch.weights[word] /= norm
        for k in range(vectors.word_starts[word], vectors.word_starts[word + 1]):
            scratch.dots[vectors.items[k]] += scratch.weights[word] * vectors.weights[k]
    for j in range(len(scratch.dots)):
        rare = scratch.dots[j]
        scratch.dots[j] = 0.0
        if rare + common_norm * vectors.common_norms[j] <= best.value[j]:
            continue
        value = rare
        for k in range(vectors.item_starts[j], vectors.item_starts[j + 1]):
            value += scratch.weights[vectors.common_words[k]] * vectors.common_weights[k]
        if value > best.value[j] + TIE:
            best.value[j] = value
            best.text[j] = number
    for s in range(seen):
        scratch.weights[scratch.seen[s]] = 0.0
        scratch.counts[scratch.seen[s]] = 0


@kernel
def _search(index: WordIndex, lines: Buffer, is_prompt: Bytes, first: int, found: Found, best: Cosines) -> None:
    num_words = len(index.vectors.rarity)
    scratch = _Scratch(
        np.zeros(_RING, dtype=np.int64),
        np.zeros(num_words, dtype=np.int64),
        np.zeros(num_words),
        np.empty(num_words, dtype=np.int64),
        np.zeros(len(best.value)),
    )
    for t in range(len(lines.offsets) - 1):
        seen = _read(index, lines, t, is_prompt[t], found, scratch)
        if seen > 0:
            _compare(index.vectors, seen, first + t, best, scratch)


def search(index: WordIndex, lines: Buffer, is_prompt: Bytes, first: int, found: Found, best: Cosines) -> Cosines:
    """The highest cosines after these texts; runs that they hold are marked in `found`.

    Args:
        index: The items.
        lines: Texts in lower case; the first has the number `first`.
        is_prompt: (texts): 1 = a user turn, whose cosine counts.
        first: See `lines`.
        found: Runs met so far; changed.
        best: The nearest so far, from texts that come before these; left as it is.

    Runs without the interpreter's lock.
    """
    result = Cosines(best.value.copy(), best.text.copy())
    if len(best.value):
        _search(index, lines, is_prompt, first, found, result)
    return result


def wins(earlier: Cosines, later: Cosines) -> Bools:
    """(items): whether the second is higher; on a tie the first stays."""
    return later.value > earlier.value + TIE
