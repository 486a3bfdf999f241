"""What of a batch has to be computed, and attention that stays within documents at no cost for the rest of a block.

A block of T tokens that holds many documents needs far fewer than T x T products of queries and keys: each token reads
its own document only. transformers builds a dense (T, T) mask and computes everything under it. Here a batch becomes
one row of documents, one after the other, and attention is computed document by document, causal and without a mask.
Nothing after a document's last learned token can change the loss, so it is left out, padding included.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from components.train.chunking import Blocks
from components.train.document_groups import padded

BY_DOCUMENT = "touchstone_by_document"
LOCAL_ATTENTION = ("sliding_window", "attention_chunk_size", "window_size", "local_window_size")
"""Fields of configurations that say how far a token reads. A mask enforces them, and here is none."""

MOST_CALLS = {"cpu": sys.maxsize, "cuda": 16}
"""Documents that are attended to one by one. A CPU is best at that however short they are; a GPU waits for launches."""


class Rows(NamedTuple):
    """What goes through the model at once: R rows of S tokens, N of which predict a learned token."""

    tokens: Any
    """(R, S) int64."""
    positions: Any
    """(R, S) int64: places in the documents."""
    predicting: Any
    """(N,) int64: places in the R x S tokens, counted through, whose next token is learned."""
    targets: Any
    """(N,) int64: those next tokens."""
    lengths: Sequence[int]
    """Of the documents of the one row that holds them all; empty: rows as they were."""

    def on(self, device: Any) -> Rows:
        """The same there."""
        tokens, positions, predicting, targets, lengths = self
        return Rows(tokens.to(device), positions.to(device), predicting.to(device), targets.to(device), lengths)


def rows_of(blocks: Blocks, *, flat: bool) -> Rows:
    """Leave out what cannot change the loss.

    Args:
        blocks: A batch or a part of it. No document crosses from one block into the next.
        flat: One row of documents, each up to its last learned token. Otherwise blocks with nothing to learn are left
            out, and the columns after the last learned token of all.

    Returns:
        Possibly without any token, where nothing is learned.
    """
    return _flat(blocks) if flat else _trimmed(blocks)


def _trimmed(blocks: Blocks) -> Rows:
    wanted = blocks.learned.clone()
    wanted[:, 0] = False
    used = wanted.any(1)
    columns = wanted.any(0).nonzero()
    width = int(columns[-1]) if len(columns) else 0
    tokens, wanted, positions = (part[used] for part in (blocks.tokens, wanted, blocks.positions))
    ahead = wanted[:, 1 : width + 1]
    predicting = ahead.flatten().nonzero().flatten()
    return Rows(tokens[:, :width], positions[:, :width], predicting, tokens[:, 1 : width + 1][ahead], ())


def _flat(blocks: Blocks) -> Rows:
    tokens, positions = blocks.tokens.flatten(), blocks.positions.flatten()
    wanted = blocks.learned.flatten() & (positions > 0)
    document = (positions == 0).cumsum(0) - 1
    none = torch.zeros(int(document[-1]) + 1, dtype=positions.dtype, device=positions.device)
    # A token in place p is predicted by the one in place p - 1: of a document whose last learned token is in place p,
    # the first p tokens are computed.
    lengths = none.scatter_reduce(0, document, positions * wanted, "amax")
    kept = positions < lengths[document]
    moved = kept.cumsum(0) - 1
    learned = wanted.nonzero().flatten()
    return Rows(
        tokens[kept][None],
        positions[kept][None],
        moved[learned - 1],
        tokens[learned],
        lengths[lengths > 0].tolist(),
    )


def may_be_flat(model: Any, block_tokens: int) -> bool:
    """Whether nothing speaks against attention by document: the model uses torch's attention and reads far enough."""
    config = model.config.get_text_config()
    limits = [getattr(config, name, None) for name in LOCAL_ATTENTION]
    return config._attn_implementation == "sdpa" and all(limit is None or limit >= block_tokens for limit in limits)


@contextmanager
def attention_within(model: Any, lengths: Sequence[int]) -> Iterator[None]:
    """Attention of `model` stays within documents of these lengths; none given: as the model is.

    The backward pass belongs inside where activations are computed again.
    """
    if not lengths:
        yield
        return
    config = model.config.get_text_config()
    before, config._attn_implementation = config._attn_implementation, BY_DOCUMENT
    _LENGTHS[:] = lengths
    try:
        yield
    finally:
        config._attn_implementation = before
        _LENGTHS.clear()


# Not a context variable: on a GPU the backward pass, and what it computes again, runs in a thread of its own.
_LENGTHS: list[int] = []


def _attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **rest: Any
) -> tuple[Any, None]:  # the interface of transformers
    if attention_mask is not None or sum(_LENGTHS) != query.shape[2]:
        raise ValueError("attention by document needs one row of documents and no mask")

    def attended(states: Sequence[Any]) -> Any:
        return sdpa_attention_forward(module, *states, None, **rest)[0]

    if len(_LENGTHS) > MOST_CALLS.get(query.device.type, MOST_CALLS["cuda"]):
        return padded(attended, (query, key, value), _LENGTHS), None
    parts = zip(*(states.split(_LENGTHS, dim=2) for states in (query, key, value)), strict=True)
    return torch.cat([attended(part) for part in parts], dim=1), None


# Only its attention is registered: where a mask's maker is missing, transformers makes none.
AttentionInterface.register(BY_DOCUMENT, _attend)
