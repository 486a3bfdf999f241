"""The join of `near_duplicates` as machine code: candidates from rare words, then exact verification.

Two queries are alike when the words of one lie within those of the other (A within B) and their shingles have a Jaccard
similarity of at least t. B then has at most (1 - t) |shingles of B| shingles that A lacks. Each word of B that A lacks
ends such a shingle where it first occurs, unless it is one of the two first words of B: so B has at most
(1 - t) |shingles of B| + 2 words that A lacks. Hence, in any order of words that all queries use, the first word of A
is among that many and one of the first words of B (a prefix filter, Chaudhuri et al. 2006). The order is rare words
first: a template filled with something else then meets none of its kind, and does not have to be compared with them.
Every pair that does meet is verified on the whole sets: nothing is sampled.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.contracts.compiled import kernel

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Slots = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int32 | np.int64]

BLOCK_ELEMENTS = 1 << 22
MIN_SLOT_BITS, MAX_SLOT_BITS = 12, 25
FIRST_WORDS = 2
ROUNDING = 1e-9


class Sets(NamedTuple):
    """Sorted sets of hashes, one after another."""

    elements: Hashes
    starts: Ints
    """Where each begins, and the end of the last: one more than there are sets."""


def join(words: Sets, shingles: Sets, order: Ints, threshold: float) -> Ints:
    """For each query the earlier one (in `order`) that is kept and like it; -1 where there is none, so it is kept.

    Args:
        words: Distinct words of each query.
        shingles: Its shingles of `near_duplicates`.
        order: The order in which queries are looked at, (n,).
        threshold: Least Jaccard similarity, in (0, 1].
    """
    bits = min(MAX_SLOT_BITS, max(MIN_SLOT_BITS, len(words.elements).bit_length()))
    most_lacking = np.floor((1.0 - threshold) * np.diff(shingles.starts) + ROUNDING).astype(np.int64) + FIRST_WORDS
    firsts = _first_words(words, np.minimum(most_lacking + 1, np.diff(words.starts)), 64 - bits)
    # Lists of places: half as large while 32 bits can name one, which they can up to some sixty million queries.
    place: type[np.int32] | type[np.int64] = np.int32 if len(firsts[0]) < 1 << 31 else np.int64
    by_first: Places = np.full(1 << bits, -1, place)
    next_by_first: Places = np.empty(len(firsts[0]), place)
    found: Ints = _join(*words, *shingles, *firsts, order, by_first, next_by_first, threshold)
    return found


def _first_words(words: Sets, lengths: Ints, shift: int) -> tuple[Slots, Ints]:
    """So many words of each set, rare ones first, as the slots they fall into; and where each set's begin."""
    sizes = np.diff(words.starts)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    firsts = np.empty(starts[-1], np.uint32)
    counts = np.zeros(1 << (64 - shift), np.uint32)
    for block in _blocks(words.starts):
        slots, amounts = np.unique(_slots(words, block, shift), return_counts=True)
        counts[slots] += amounts.astype(np.uint32)
    for first, last in _blocks(words.starts):
        slots = _slots(words, (first, last), shift)
        owner = np.repeat(np.arange(last - first), sizes[first:last])
        # Ties keep the order of the hashes, in which every set is sorted: one order for all sets.
        ranked = np.lexsort((counts[slots], owner))
        place = np.arange(len(slots)) - np.repeat(words.starts[first:last] - words.starts[first], sizes[first:last])
        firsts[starts[first] : starts[last]] = slots[ranked[place < np.repeat(lengths[first:last], sizes[first:last])]]
    return firsts, starts


def _slots(sets: Sets, block: tuple[int, int], shift: int) -> Slots:
    elements = sets.elements[sets.starts[block[0]] : sets.starts[block[1]]]
    slots: Slots = (elements >> np.uint64(shift)).astype(np.uint32)
    return slots


def _blocks(starts: Ints) -> list[tuple[int, int]]:
    edges = [0]
    while edges[-1] < len(starts) - 1:
        wanted = int(np.searchsorted(starts, starts[edges[-1]] + BLOCK_ELEMENTS, side="right")) - 1
        edges.append(min(len(starts) - 1, max(edges[-1] + 1, wanted)))
    return list(itertools.pairwise(edges))


@kernel
def _join(
    words: Hashes,
    word_starts: Ints,
    sets: Hashes,
    starts: Ints,
    firsts: Slots,
    first_starts: Ints,
    order: Ints,
    by_first: Places,
    next_by_first: Places,
    threshold: float,
) -> Ints:
    like = np.full(len(starts) - 1, -1, np.int64)
    # A slot's entries are linked lists: queries by their rarest word, and by each of their first words.
    by_rarest, next_by_rarest = np.full(len(by_first), -1, np.int32), np.full(len(like), -1, np.int32)
    owners = np.empty(len(firsts), np.int32)
    for one in order:
        begin, end = first_starts[one], first_starts[one + 1]
        if begin == end:
            continue
        # One that holds all words of this one holds its rarest.
        entry = by_first[firsts[begin]]
        while entry >= 0 and like[one] < 0:
            if _alike(words, word_starts, sets, starts, one, owners[entry], threshold):
                like[one] = owners[entry]
            entry = next_by_first[entry]
        # The rarest word of one that lies within this one is among the first words here.
        for place in range(begin, end):
            other = by_rarest[firsts[place]]
            while other >= 0 and like[one] < 0:
                if _alike(words, word_starts, sets, starts, one, other, threshold):
                    like[one] = other
                other = next_by_rarest[other]
        if like[one] < 0:
            next_by_rarest[one] = by_rarest[firsts[begin]]
            by_rarest[firsts[begin]] = one
            for place in range(begin, end):
                owners[place] = one
                next_by_first[place] = by_first[firsts[place]]
                by_first[firsts[place]] = place
    return like


@kernel
def _alike(
    words: Hashes, word_starts: Ints, sets: Hashes, starts: Ints, one: int, other: int, threshold: float
) -> bool:
    sizes = starts[one + 1] - starts[one], starts[other + 1] - starts[other]
    if min(sizes) < threshold * max(sizes) - 1e-9:
        return False
    num_words = word_starts[one + 1] - word_starts[one], word_starts[other + 1] - word_starts[other]
    if not _share(words, word_starts, one, other, min(num_words)):
        return False
    need = np.int64(np.ceil(threshold / (1.0 + threshold) * (sizes[0] + sizes[1]) - 1e-9))
    return _share(sets, starts, one, other, int(need))


@kernel
def _share(elements: Hashes, starts: Ints, one: int, other: int, need: int) -> bool:
    # Whether two sorted sets have so many elements in common; ends as soon as they cannot.
    i, end_i, j, end_j = starts[one], starts[one + 1], starts[other], starts[other + 1]
    shared = 0
    while shared + min(end_i - i, end_j - j) >= need and i < end_i and j < end_j:
        if elements[i] == elements[j]:
            shared += 1
            i += 1
            j += 1
        elif elements[i] < elements[j]:
            i += 1
        else:
            j += 1
    return shared >= need
