"""Which of many sequences begin alike, and are therefore worth reading together."""

from __future__ import annotations

import math
from collections.abc import Sequence

SeqT = Sequence[object]


def common_length(one: SeqT, two: SeqT) -> int:
    """Number of leading elements (characters, tokens) that two sequences have in common."""
    low, high = 0, min(len(one), len(two))
    if one[:high] == two[:high]:
        return high
    # Bisection, as comparing slices is native code and comparing elements is not.
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle
    return low


def alike(sequences: Sequence[SeqT], worth: int) -> list[tuple[int, int, int]]:
    """Cut sorted sequences into runs that share a beginning.

    A sequence joins the run before it if that saves more elements than it costs: joining shortens what the run shares
    to what the newcomer has in common with it, and spares the newcomer that much.

    Args:
        sequences: In sorted order, so that neighbours share the most.
        worth: A shared beginning shorter than this counts as none.

    Returns:
        Of each run: first, end (exclusive) and the length shared by all its members (for a run of one, its length).
    """
    runs: list[tuple[int, int, int]] = []
    for index, sequence in enumerate(sequences):
        if runs:
            first, end, shared = runs[-1]
            close = common_length(sequences[index - 1], sequence)
            if end - first > 1 and shared < worth <= close:
                # The last of a run that shares nothing begins one that does.
                runs[-1:] = [(first, end - 1, shared), (end - 1, index + 1, close)]
                continue
            common = min(shared, close)
            now, then = _counted(shared, worth), _counted(common, worth)
            if (end - first - 1) * (now - then) <= then:
                runs[-1] = (first, index + 1, common)
                continue
        runs.append((index, index + 1, len(sequence)))
    return runs


def _counted(length: int, worth: int) -> int:
    return length if length >= worth else 0


def even_parts(count: int, at_most: int) -> list[int]:
    """Cut `count` things into the fewest parts of at most `at_most`, as equal as can be."""
    parts = math.ceil(count / at_most)
    return [count // parts + (part < count % parts) for part in range(parts)] if parts else []
