"""The longest common token prefix of a batch, run once."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache

WORTH_SHARING_TOKENS = 4


class Prefix(NamedTuple):
    """Keys and values of tokens that every row of a batch begins with."""

    length: int
    """Tokens; 0 = nothing is shared."""
    cache: Any
    """transformers cache with batch size 1, or None."""

    def copies(self, num_rows: int) -> Any:
        """A cache of its own for `num_rows` rows: a forward pass appends to the cache it is given."""
        if self.cache is None:
            return None
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(num_rows)
        return cache


def shared_length(rows: Sequence[tuple[int, ...]]) -> int:
    """Number of leading tokens that all rows have in common.

    Tokens, not characters: a split at a character tokenises differently at the seam.
    """
    # In sorted order the first and the last row differ earliest.
    pairs = zip(min(rows), max(rows), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def run_prefix(model: Any, rows: Sequence[tuple[int, ...]], limit: int, device: torch.device) -> Prefix:
    """Run the common prefix of `rows`, at most `limit` tokens of it."""
    length = min(shared_length(rows), limit)
    if length < WORTH_SHARING_TOKENS or len(rows) == 1 or not _can_share(model):
        return Prefix(0, None)
    ids = torch.tensor([list(rows[0][:length])], device=device)
    cache = DynamicCache(config=model.config)
    model(input_ids=ids, past_key_values=cache, use_cache=True)
    return Prefix(length, cache)


def _can_share(model: Any) -> bool:
    # A sliding window forgets part of the prefix and a recurrent state cannot be cut: these run whole prompts.
    if getattr(model.config, "sliding_window", None) or not getattr(model, "_supports_default_dynamic_cache", bool)():
        return False
    return not getattr(model, "_is_stateful", False)
