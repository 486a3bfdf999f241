"""Causal attention of many short documents in few calls: those of about one length, padded to the longest of them.

What is padded stands behind a document, where causal attention never looks; its own results are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch

STEPS_TO_TWICE = 2
"""Lengths are grouped by steps of a factor of 2 ** (1 / 2): at most some fourteen groups for blocks of 2,048 tokens."""


class Groups(NamedTuple):
    """Where S tokens of documents in a row lie among P padded places."""

    sizes: tuple[tuple[int, int], ...]
    """(documents, places of each), group by group."""
    there: Any
    """(P,) int64: the token of each place; of a padded place, the last of its document."""
    back: Any
    """(S,) int64: the place of each token."""
    real: Any
    """(P,) bool: places that are not padded."""


def padded(attend: Callable[[Sequence[Any]], Any], states: Sequence[Any], lengths: Sequence[int]) -> Any:
    """Attention within each document.

    Args:
        attend: (n, heads, L, width) queries, keys and values -> (n, L, heads, width), causal.
        states: Queries, keys and values, each (1, heads, S, width).
        lengths: Of the documents, S in all.

    Returns:
        (1, S, heads, width).
    """
    groups = _grouped(tuple(lengths), states[0].device)
    places = [count * length for count, length in groups.sizes]
    spread = [_moved(part, 2, groups.there, groups.back).split(places, dim=2) for part in states]
    made = []
    for (count, length), *parts in zip(groups.sizes, *spread, strict=True):
        own = [part.unflatten(2, (count, length)).squeeze(0).transpose(0, 1) for part in parts]
        made.append(attend(own).flatten(0, 1))
    return _moved(torch.cat(made), 0, groups.back, groups.there, groups.real)[None]


@lru_cache(maxsize=4)
def _grouped(lengths: tuple[int, ...], device: Any) -> Groups:
    begins, at = [], 0
    by_size: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        begins.append(at)
        at += length
        by_size.setdefault(math.ceil(STEPS_TO_TWICE * math.log2(length)), []).append(index)
    sizes, there, real = [], [], []
    for _, members in sorted(by_size.items()):
        longest = max(lengths[index] for index in members)
        sizes.append((len(members), longest))
        places = torch.arange(longest)
        for index in members:
            there.append(begins[index] + places.clamp(max=lengths[index] - 1))
            real.append(places < lengths[index])
    tokens, kept = torch.cat(there), torch.cat(real)
    back = torch.empty(at, dtype=torch.int64)
    back[tokens[kept]] = kept.nonzero().flatten()
    return Groups(tuple(sizes), tokens.to(device), back.to(device), kept.to(device))


def _moved(states: Any, dim: int, picked: Any, back: Any, real: Any = None) -> Any:
    return _Moved.apply(states, dim, picked, back, real)  # type: ignore[no-untyped-call]


class _Moved(torch.autograd.Function):
    """Rows picked along a dimension. Each real row is picked once, so its gradient is picked, not added up."""

    @staticmethod
    def forward(ctx: Any, states: Any, dim: int, picked: Any, back: Any, real: Any) -> Any:
        ctx.dim = dim
        ctx.save_for_backward(back, real)
        return states.index_select(dim, picked)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        back, real = ctx.saved_tensors
        slope = grad.index_select(ctx.dim, back)
        if real is not None:  # only where places of (P, heads, width) are cut down to tokens
            slope = slope * real[:, None, None]
        return slope, None, None, None, None
