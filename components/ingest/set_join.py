"""The similarity join of `near_duplicates` as machine code: prefix filtering, then exact verification.

If |x ∩ y| / |x ∪ y| >= t, then x and y share one of the |x| - ceil(t |x|) + 1 first elements of x, and of y, in any
order that both use (Chaudhuri et al. 2006; Bayardo et al. 2007). Rare elements first makes shared ones rare, so few
pairs are looked at. Every pair that is looked at is verified on the whole sets: nothing is sampled.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Slots = npt.NDArray[np.uint32]

BLOCK_ELEMENTS = 1 << 22
MIN_SLOT_BITS, MAX_SLOT_BITS = 12, 25
ROUNDING = 1e-9


class Sets(NamedTuple):
    """Sorted sets of hashes, one after another."""

    elements: Hashes
    starts: Ints
    """Where each begins, and the end of the last: one more than there are sets."""


def join(words: Sets, shingles: Sets, order: Ints, threshold: float) -> Ints:
    """For each set the earlier one (in `order`) that is kept and like it; -1 where there is none, so that it is kept.

    Args:
        words: Distinct words; of two that are alike one lies within the other.
        shingles: What similarity is measured on.
        order: The order in which sets are looked at, (n,).
        threshold: Least Jaccard similarity, in (0, 1].
    """
    bits = min(MAX_SLOT_BITS, max(MIN_SLOT_BITS, len(shingles.elements).bit_length()))
    prefixes, starts = _prefixes(shingles, 64 - bits, threshold)
    found: Ints = _join(*words, *shingles, prefixes, starts, order, 1 << bits, threshold)
    return found


def _prefixes(sets: Sets, shift: int, threshold: float) -> tuple[Slots, Ints]:
    """The first elements of each set, rare ones first, as the slots they fall into."""
    sizes = np.diff(sets.starts)
    lengths = sizes - np.ceil(threshold * sizes - ROUNDING).astype(np.int64) + 1
    starts = np.concatenate([[0], np.cumsum(lengths)])
    prefixes = np.empty(starts[-1], np.uint32)
    counts = np.zeros(1 << (64 - shift), np.uint32)
    for block in _blocks(sets.starts):
        slots, amounts = np.unique(_slots(sets, block, shift), return_counts=True)
        counts[slots] += amounts.astype(np.uint32)
    for first, last in _blocks(sets.starts):
        slots = _slots(sets, (first, last), shift)
        owner = np.repeat(np.arange(last - first), sizes[first:last])
        # Ties keep the order of the hashes, in which every set is sorted: one order for all sets.
        ranked = np.lexsort((counts[slots], owner))
        place = np.arange(len(slots)) - np.repeat(sets.starts[first:last] - sets.starts[first], sizes[first:last])
        prefixes[starts[first] : starts[last]] = slots[
            ranked[place < np.repeat(lengths[first:last], sizes[first:last])]
        ]
    return prefixes, starts


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


@numba.njit(nogil=True)
def _join(words, word_starts, sets, starts, prefixes, prefix_starts, order, num_slots, threshold):  # type: ignore[no-untyped-def]
    num = len(order)
    like = np.full(num, -1, np.int64)
    seen = np.full(num, -1, np.int32)
    # A slot's entries are a linked list; the entries of a set lie where its prefix does.
    heads = np.full(num_slots, -1, np.int64)
    following = np.empty(len(prefixes), np.int64)
    owners = np.empty(len(prefixes), np.int32)
    for turn in range(num):
        one = order[turn]
        for entry in range(prefix_starts[one], prefix_starts[one + 1]):
            candidate = heads[prefixes[entry]]
            while candidate >= 0 and like[one] < 0:
                other = owners[candidate]
                candidate = following[candidate]
                if seen[other] != turn:
                    seen[other] = turn
                    if _near(words, word_starts, one, other, -1.0) and _near(sets, starts, one, other, threshold):
                        like[one] = other
        if like[one] < 0:
            for entry in range(prefix_starts[one], prefix_starts[one + 1]):
                owners[entry] = one
                following[entry] = heads[prefixes[entry]]
                heads[prefixes[entry]] = entry
    return like


@numba.njit(nogil=True)
def _near(elements, starts, one, other, threshold):  # type: ignore[no-untyped-def]
    # Below 0: whether one of two sorted sets lies within the other. Else whether they are similar enough.
    i, end_i, j, end_j = starts[one], starts[one + 1], starts[other], starts[other + 1]
    total = (end_i - i) + (end_j - j)
    need = min(end_i - i, end_j - j)
    if threshold >= 0.0:
        need = np.int64(np.ceil(threshold / (1.0 + threshold) * total - 1e-9))
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
