"""The items of a search, by the n-grams they hold.

N-grams of one to four tokens are numbered like the nodes of a tree: an n-gram's number is entered under (number of its
first n-1 tokens, last token), so looking one up costs one step more than looking up its head, and an unknown head ends
the walk. Numbers of order n form one range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Floats, Ints, Shorts, kernel
from components.overlap.bleu import MAX_ORDER, log_table
from components.overlap.tables import FREE, Vocabulary, build_vocabulary, empty_slots, enter_pair, pair_key
from components.overlap.tokens import all_tokens, buffer, prepared


class ItemIndex(NamedTuple):
    """Items in order of their length, shortest first."""

    order: Ints
    """(items): where each stood in the sequence given."""
    lengths: Ints
    """(items): tokens."""
    words: Vocabulary
    """All tokens of the items."""
    children: Ints
    """(2^k, 2): (n-gram, token) -> n-gram one longer."""
    ranges: Ints
    """(5): n-grams of order n are numbered from ranges[n - 1] to ranges[n]."""
    posting_starts: Ints
    """(n-grams + 1): which postings are an n-gram's."""
    posting_items: Shorts
    """(postings): items that hold it, ascending."""
    posting_counts: Shorts
    """(postings): how often."""
    starts: Ints
    """(items + 1): which entries of `grams` are an item's."""
    grams: Shorts
    """(items' tokens, 4): the n-grams of one to four tokens that begin there; -1 when the item ends before."""
    logs: Floats
    """Logarithms of 0, 1, ..., longest item."""


def build_item_index(texts: Sequence[str]) -> ItemIndex:
    """Index `texts`; about 250 bytes of memory for each of their tokens."""
    lines = buffer(map(prepared, texts))
    bounds, counts = all_tokens(lines)
    order = np.argsort(counts, kind="stable").astype(np.int64)
    firsts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=firsts[1:])
    lengths = counts[order]
    starts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    rows = np.arange(len(bounds), dtype=np.int64) + np.repeat(firsts[order] - starts[:-1], lengths)
    words, tokens = build_vocabulary(lines.text, bounds[rows])
    children = empty_slots(3 * len(tokens))
    grams = np.full((len(tokens), MAX_ORDER), FREE, dtype=np.int32)
    ranges = np.zeros(MAX_ORDER + 1, dtype=np.int64)
    _number_grams(tokens, starts, len(words.bounds), children, grams, ranges)
    posting_starts = np.zeros(ranges[-1] + 1, dtype=np.int64)
    size = _count_postings(grams, starts, posting_starts)
    posting_items, posting_counts = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    _fill_postings(grams, starts, posting_starts, posting_items, posting_counts)
    return ItemIndex(
        order=order,
        lengths=lengths,
        words=words,
        children=_compact(children, int(ranges[-1] - ranges[1])),
        ranges=ranges,
        posting_starts=posting_starts,
        posting_items=posting_items,
        posting_counts=posting_counts,
        starts=starts,
        grams=grams,
        logs=log_table(int(lengths[-1]) if len(lengths) else 0),
    )


def _compact(children: Ints, entries: int) -> Ints:
    # The table was made for n-grams that never repeat; a smaller one stays in the processor's cache.
    smaller = empty_slots(entries)
    if len(smaller) < len(children):
        _reenter(children, smaller)
        return smaller
    return children


@kernel
def _reenter(slots: Ints, smaller: Ints) -> None:
    for k in range(len(slots)):
        if slots[k, 1] != FREE:
            enter_pair(smaller, slots[k, 0], slots[k, 1])


@kernel
def _number_grams(tokens: Ints, starts: Ints, num_words: int, children: Ints, grams: Shorts, ranges: Ints) -> None:
    ranges[1] = num_words
    for k in range(len(tokens)):
        grams[k, 0] = tokens[k]
    for n in range(1, MAX_ORDER):
        count = ranges[n]
        for item in range(len(starts) - 1):
            for k in range(starts[item], starts[item + 1] - n):
                found = enter_pair(children, pair_key(grams[k, n - 1], tokens[k + n]), count)
                count = max(count, found + 1)
                grams[k, n] = found
        ranges[n + 1] = count


@kernel
def _count_postings(grams: Shorts, starts: Ints, posting_starts: Ints) -> int:
    last = np.full(len(posting_starts) - 1, FREE, dtype=np.int64)
    for item in range(len(starts) - 1):
        for k in range(starts[item], starts[item + 1]):
            for n in range(MAX_ORDER):
                gram = grams[k, n]
                if gram != FREE and last[gram] != item:
                    last[gram] = item
                    posting_starts[gram + 1] += 1
    for gram in range(len(last)):
        posting_starts[gram + 1] += posting_starts[gram]
    return posting_starts[-1]  # type: ignore[no-any-return]


@kernel
def _fill_postings(grams: Shorts, starts: Ints, posting_starts: Ints, items: Shorts, counts: Shorts) -> None:
    filled = posting_starts[:-1].copy()
    for item in range(len(starts) - 1):
        for k in range(starts[item], starts[item + 1]):
            for n in range(MAX_ORDER):
                gram = grams[k, n]
                if gram == FREE:
                    continue
                at = filled[gram]
                if at > posting_starts[gram] and items[at - 1] == item:
                    counts[at - 1] += 1
                else:
                    items[at], counts[at] = item, 1
                    filled[gram] = at + 1
