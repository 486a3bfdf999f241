"""The nearest text of every item by sentence BLEU, over texts that pass by once.

What is skipped, and why it cannot win: `windows.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Bytes, Ints, Shorts, inlined, kernel
from components.overlap.bleu import MAX_ORDER, log_bleu
from components.overlap.item_index import ItemIndex
from components.overlap.tables import FREE, find_pair, find_word, pair_key
from components.overlap.tokens import Buffer, scan
from components.overlap.windows import TIE, Best, Windows, entering_postings, narrow, open_windows


class _Scratch(NamedTuple):
    counts: Shorts
    """(n-grams): how often each stands in the text."""
    seen: Shorts
    """n-grams met, in the order met."""
    matches: Shorts
    """(4 x items): matches of each order from an item's entry on."""
    marked: Bytes
    """(items): 1 = among the candidates."""
    candidates: Shorts


@kernel
def _count_grams(index: ItemIndex, text: Bytes, bounds: Ints, length: int, tokens: Ints, scratch: _Scratch) -> int:
    """Count the text's known n-grams; returns how many distinct ones there are."""
    for k in range(length):
        tokens[k] = find_word(index.words, text, bounds[k, 0], bounds[k, 1])
    seen = 0
    for k in range(length):
        gram = tokens[k]
        n = 0
        while gram != FREE:
            if scratch.counts[gram] == 0:
                scratch.seen[seen] = gram
                seen += 1
            scratch.counts[gram] += 1
            n += 1
            if n == MAX_ORDER or k + n >= length or tokens[k + n] == FREE:
                break
            gram = find_pair(index.children, pair_key(gram, tokens[k + n]))
    return seen


@inlined
def _first_at_least(items: Shorts, begin: int, end: int, low: int) -> int:
    while begin < end:
        middle = (begin + end) // 2
        if items[middle] < low:
            begin = middle + 1
        else:
            end = middle
    return begin


@kernel
def _gather(
    index: ItemIndex, postings: tuple[Ints, Shorts, Shorts], window: tuple[int, int], seen: int, scratch: _Scratch
) -> int:
    """Add up the matches of the items in the window by the text's n-grams; returns how many candidates there are."""
    starts, items, counts = postings
    low, high = window
    found = 0
    for s in range(seen):
        gram = scratch.seen[s]
        begin, end = starts[gram], starts[gram + 1]
        if begin == end:
            continue
        order = 0
        while gram >= index.ranges[order + 1]:
            order += 1
        often = scratch.counts[gram]
        for k in range(_first_at_least(items, begin, end, low), end):
            j = items[k]
            if j >= high:
                break
            if not scratch.marked[j]:
                scratch.marked[j] = 1
                scratch.candidates[found] = j
                found += 1
            scratch.matches[MAX_ORDER * j + order] += min(often, counts[k])
    return found


@kernel
def _matched(index: ItemIndex, j: int, order: int, counts: Shorts) -> int:
    """Matches of one order, from 0: every n-gram of the item uses up one of the text's."""
    found = 0
    for k in range(index.starts[j], index.starts[j + 1] - order):
        gram = index.grams[k, order]
        if counts[gram] > 0:
            found += 1
        counts[gram] -= 1
    for k in range(index.starts[j], index.starts[j + 1] - order):
        counts[index.grams[k, order]] += 1
    return found


@kernel
def _settle(
    index: ItemIndex, best: Best, windows: Windows, j: int, entry: int, r: int, number: int, scratch: _Scratch
) -> None:
    """Count what lies below the entry, longest first, while the rest could still win; then let the item compete."""
    m, c, at = index.lengths[j], scratch.matches, MAX_ORDER * j
    for order in range(entry - 2, -1, -1):
        c[at + order] = _matched(index, j, order, scratch.counts)
        score = log_bleu(c[at], c[at + 1], c[at + 2], c[at + 3], m, r, index.logs)
        if score <= best.log_score[j] + TIE:
            return
    if c[at] > 0:
        best.log_score[j] = log_bleu(c[at], c[at + 1], c[at + 2], c[at + 3], m, r, index.logs)
        best.text[j] = number
        for order in range(MAX_ORDER):
            best.counts[j, order] = c[at + order]
        best.counts[j, MAX_ORDER] = r
        narrow(index, best, windows, j)


@kernel
def _compete(
    index: ItemIndex,
    itself: Ints,
    best: Best,
    windows: Windows,
    entries: Ints,
    r: int,
    number: int,
    count: int,
    scratch: _Scratch,
) -> None:
    """Let the candidates' scores compete with the items' best, and forget the candidates."""
    c = scratch.matches
    for k in range(count):
        j = scratch.candidates[k]
        at = MAX_ORDER * j
        # Most fail here. The check stands in the loop because a call would count references to two dozen arrays.
        if windows.shortest[j] <= r <= windows.longest[j] and itself[j] != number:
            m = index.lengths[j]
            for order in range(entries[j] - 1):
                c[at + order] = max(0, min(m, r) - order)
            score = log_bleu(c[at], c[at + 1], c[at + 2], c[at + 3], m, r, index.logs)
            if score > best.log_score[j] + TIE:
                _settle(index, best, windows, j, entries[j], r, number, scratch)
        scratch.marked[j] = 0
        for order in range(MAX_ORDER):
            c[at + order] = 0


@kernel
def _search(index: ItemIndex, itself: Ints, lines: Buffer, first: int, best: Best) -> None:
    n = len(index.lengths)
    windows = open_windows(index, best)
    postings = entering_postings(index, windows)
    entries = windows.entry.copy()
    most = np.int64(0)
    for t in range(len(lines.offsets) - 1):
        most = max(most, lines.offsets[t + 1] - lines.offsets[t])
    limit = np.int64(min(most, windows.reach[n - 1]))
    bounds = np.empty((limit + 3, 2), dtype=np.int64)
    tokens = np.empty(limit + 3, dtype=np.int64)
    scratch = _Scratch(
        np.zeros(index.ranges[4], dtype=np.int32),
        np.empty(min(MAX_ORDER * (limit + 3), index.ranges[4]), dtype=np.int32),
        np.zeros(MAX_ORDER * n, dtype=np.int32),
        np.zeros(n, dtype=np.uint8),
        np.empty(n, dtype=np.int32),
    )
    for t in range(len(lines.offsets) - 1):
        r = scan(lines.text, lines.offsets[t], lines.offsets[t + 1], int(limit), bounds)
        low = int(np.searchsorted(windows.reach, r))
        high = int(np.searchsorted(windows.least, r, side="right"))
        if r == 0 or r > limit or low >= high:
            continue
        seen = _count_grams(index, lines.text, bounds, r, tokens, scratch)
        count = _gather(index, postings, (low, high), seen, scratch)
        _compete(index, itself, best, windows, entries, r, first + t, count, scratch)
        for s in range(seen):
            scratch.counts[scratch.seen[s]] = 0


def search(index: ItemIndex, itself: Ints, lines: Buffer, first: int, best: Best) -> Best:
    """The best after these texts.

    Args:
        index: The items.
        itself: (items): the number of the text that the item itself is, which does not count; -1 = none.
        lines: Prepared texts; the first has the number `first`.
        first: See `lines`.
        best: The nearest so far, from texts that come before these; left as it is.

    Runs without the interpreter's lock.
    """
    found = best.copy()
    if len(index.lengths):
        _search(index, itself, lines, first, found)
    return found
