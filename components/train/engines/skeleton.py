"""An ordinary model to come back to from one whose weights lie elsewhere, and the names of its weights."""

from __future__ import annotations

import copy
from typing import Any

import torch


def skeleton_of(model: Any) -> Any:
    """An ordinary model to come back to: its weights have a shape and no storage until then."""
    empty = {id(p): torch.nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, memo=dict(empty))


def fill(skeleton: Any, whole: dict[str, Any]) -> None:
    """Give a skeleton its weights, those that are tied under each of their names.

    Args:
        skeleton: Of `skeleton_of`.
        whole: By the names of `named_weights`.
    """
    first: dict[int, Any] = {}
    filled: dict[str, Any] = {}
    for name, value in skeleton.state_dict(keep_vars=True).items():
        if id(value) not in first:
            made = whole[name]
            own = isinstance(value, torch.nn.Parameter)
            first[id(value)] = torch.nn.Parameter(made, value.requires_grad) if own else made
        filled[name] = first[id(value)]
    skeleton.load_state_dict(filled, assign=True)


def named_weights(model: Any) -> dict[str, Any]:
    """Everything a state holds of a model, by name; of tied weights the first name only."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found
