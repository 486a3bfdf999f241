"""Whether a model keeps the documents of a block apart. Some architectures ignore the positions that say so."""

from __future__ import annotations

from typing import Any

import torch

from components.contracts.errors import TouchstoneError
from components.train.chunking import Blocks

PROBE_TOKENS = 8
LARGEST_DRIFT = 1e-3
"""Relative: kernels add in another order when a neighbour changes, by far less than this."""


@torch.no_grad()
def check_isolation(model: Any, blocks: Blocks) -> None:
    """Read two documents in one block twice, with another first one: what the second one says must not move.

    Raises:
        TouchstoneError: it moves, so the first document is read by the second.
    """
    if not bool((blocks.positions[:, 1:] == 0).any()):
        return  # no block holds two documents
    was_training = model.training
    model.eval()
    ids = (torch.arange(2 * PROBE_TOKENS) % int(model.config.vocab_size)).to(model.device)
    positions = (torch.arange(2 * PROBE_TOKENS) % PROBE_TOKENS).to(model.device)[None]
    changed = ids.clone()
    changed[:PROBE_TOKENS] = changed[:PROBE_TOKENS].flip(0)
    said = [
        model(input_ids=row[None], position_ids=positions, use_cache=False).logits[0, PROBE_TOKENS:].float()
        for row in (ids, changed)
    ]
    model.train(was_training)
    drift = float((said[0] - said[1]).abs().max() / said[0].abs().max().clamp(min=1e-9))
    if drift > LARGEST_DRIFT:
        raise TouchstoneError(
            f"{type(model).__name__} reads across the documents of a block (its output moves by {drift:.2g})",
            expected="an architecture whose attention follows position_ids",
            remedy="set isolated: false in the recipe, and say so beside the result",
        )
