"""What can still win: for each item the lengths of text, and the order of n-gram, that can beat its best so far.

Three bounds leave out what cannot win; none of them guesses:

- length: a text of r tokens gives an item of m at most exp(min(0, 1 - r/m)) times the score of a text that matches
  wherever it can, so each item's best so far leaves a window of lengths, and items sorted by length make the window of
  a text one range of items;
- shared n-grams: an item whose best is above the highest score without a shared n-gram of order n is looked up by its
  n-grams of that order and longer only (its *entry*), which few texts share;
- shorter n-grams all matched: those below the entry are counted only when the score with all of them matched would win.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Bools, Floats, Ints, Shorts, kernel
from components.overlap.bleu import MAX_ORDER, highest_log_bleu, log_bleu
from components.overlap.item_index import ItemIndex
from components.overlap.tables import FREE

UNREACHED = -1e300
TIE = 1e-12
"""Logarithms nearer than this are a tie, which the earlier text wins."""
_NO_LENGTH = 1 << 40
_LOWEST = -746.0
"""exp() of less is 0 in double precision: a text so much longer than its item scores as if nothing matched."""
_LOG_100 = math.log(100.0)


class Best(NamedTuple):
    """The nearest text met so far, for each item of an ItemIndex (in its order)."""

    log_score: Floats
    """(items): log of BLEU; UNREACHED before any token matched."""
    counts: Ints
    """(items, 5): matches of orders 1 to 4, and the text's length in tokens."""
    text: Ints
    """(items): the text's number; -1 before any token matched."""

    def copy(self) -> Best:
        """The same, free to be changed."""
        return Best(self.log_score.copy(), self.counts.copy(), self.text.copy())


def no_best(num_items: int) -> Best:
    """Before the first text."""
    return Best(
        np.full(num_items, UNREACHED), np.zeros((num_items, MAX_ORDER + 1), dtype=np.int64), np.full(num_items, FREE)
    )


def wins(earlier: Best, later: Best) -> Bools:
    """(items): whether the second is better; on a tie the first stays, whose texts come before the second's."""
    return later.log_score > earlier.log_score + TIE


class Windows(NamedTuple):
    """What can still win, item by item."""

    shortest: Ints
    """(items): tokens of the shortest text that could win."""
    longest: Ints
    """(items): tokens of the longest."""
    reach: Ints
    """(items): longest of this and all shorter items."""
    least: Ints
    """(items): shortest of this and all longer items."""
    entry: Ints
    """(items): a text that shares no n-gram of this order cannot win."""


@kernel
def narrow(index: ItemIndex, best: Best, windows: Windows, j: int) -> None:
    """Set the lengths of text that can still beat item j's best, and the n-gram it must share."""
    m, score, logs = index.lengths[j], best.log_score[j], index.logs
    if m == 0:
        windows.shortest[j], windows.longest[j], windows.entry[j] = _NO_LENGTH, 0, MAX_ORDER
        return
    windows.shortest[j] = 1
    windows.longest[j] = np.int64(m * (1.0 + _LOG_100 - max(score, _LOWEST))) + 1
    if score > UNREACHED:
        low, high = 1, m
        while low < high:
            middle = (low + high) // 2
            if highest_log_bleu(m, middle, logs) > score + TIE:
                high = middle
            else:
                low = middle + 1
        windows.shortest[j] = low
    # All of the shorter ones matched, of longer ones none: when that cannot win, the next longer must be shared.
    windows.entry[j] = 1
    while windows.entry[j] < MAX_ORDER:
        n = windows.entry[j]
        c2, c3 = m - 1 if n > 1 else 0, m - 2 if n > 2 else 0
        if log_bleu(m, max(0, c2), max(0, c3), 0, m, m, logs) > score + TIE:
            break
        windows.entry[j] += 1


@kernel
def open_windows(index: ItemIndex, best: Best) -> Windows:
    """The windows that belong to `best`."""
    n = len(index.lengths)
    windows = Windows(
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )
    furthest = np.int64(0)
    for j in range(n):
        narrow(index, best, windows, j)
        furthest = max(furthest, windows.longest[j])
        windows.reach[j] = furthest
    nearest = np.int64(_NO_LENGTH)
    for j in range(n - 1, -1, -1):
        nearest = min(nearest, windows.shortest[j])
        windows.least[j] = nearest
    return windows


@kernel
def entering_postings(index: ItemIndex, windows: Windows) -> tuple[Ints, Shorts, Shorts]:
    """The postings that count: of each n-gram those items whose entry is not longer than it."""
    starts = np.zeros(len(index.posting_starts), dtype=np.int64)
    items = np.empty(len(index.posting_items), dtype=np.int32)
    counts = np.empty(len(index.posting_items), dtype=np.int32)
    kept = 0
    order = 1
    for gram in range(len(starts) - 1):
        while gram >= index.ranges[order]:
            order += 1
        for k in range(index.posting_starts[gram], index.posting_starts[gram + 1]):
            if windows.entry[index.posting_items[k]] <= order:
                items[kept], counts[kept] = index.posting_items[k], index.posting_counts[k]
                kept += 1
        starts[gram + 1] = kept
    return starts, items, counts
