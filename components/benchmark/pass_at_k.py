"""pass@k: the chance that at least one of k samples of a problem passes."""

from __future__ import annotations

import math
from collections.abc import Iterable


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate for one problem: 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, equation 1).

    Args:
        n: Samples of the problem.
        c: How many of them passed.
        k: Draws, at most `n`.

    Raises:
        ValueError: not 0 <= c <= n, or not 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {c} passed among {n} samples")
    # Integers are exact where a product of floats rounds; comb(n - c, k) is 0 when fewer than k failed.
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float | None:
    """Mean over problems of (samples, passed); None unless every problem has at least `k` samples."""
    found = list(counts)
    if not found or any(n < k for n, _ in found):
        return None
    return sum(pass_at_k(n, c, k) for n, c in found) / len(found)
