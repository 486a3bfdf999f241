"""Attention of many rows laid end to end, all of which continue one prefix that is kept once.

A batch has no padding: its rows lie one after another in a single sequence, so that every linear layer works on real
tokens only. Each token attends to the whole prefix and, within its own row, to what comes before it. The two parts are
softmaxes over disjoint keys and are joined by their log-sum-exp (Milakov and Gimelshein 2018, arXiv:1805.02867;
the shared part as in Juravsky et al. 2024, arXiv:2402.05099): with o_i = softmax(s_i) v_i and z_i = log sum exp s_i,

    o = sigmoid(z_1 - z_2) o_1 + sigmoid(z_2 - z_1) o_2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from transformers import AttentionInterface

NAME = "packed_after_prefix"
SCORES = 2**25
"""Attention scores held at once, where no kernel keeps them to itself."""

KeysValues = dict[int, tuple[Any, Any]]
"""Layer -> keys [1, key heads, tokens, size] and values of a prefix, as its attention sees them."""


class CannotShareError(Exception):
    """The model's attention has a part that cannot be split into prefix and row."""


class Layout(NamedTuple):
    """Where the rows of a packed sequence of N tokens lie; B rows, the longest of W tokens."""

    positions: Any
    """[1, N] place of every token in the text it belongs to."""
    padded: Any
    """[B, W] index into the N tokens; a row's first token where the row is shorter."""
    real: Any
    """Indices into B x W of the N tokens, in order."""
    mask: Any
    """[B, 1, W, W] added to the scores, or None = causal."""
    prefix: KeysValues
    """Empty = the rows share nothing."""
    kept: KeysValues | None
    """Filled with the keys and values of the tokens themselves, where these are to be a prefix."""


def layout(
    rows: Sequence[tuple[int, Sequence[int]]],
    like: Any,
    start: int = 0,
    prefix: KeysValues | None = None,
    kept: KeysValues | None = None,
) -> Layout:
    """Lay rows end to end.

    Args:
        rows: Of each: tokens of its stem, then of every branch that continues the stem.
        like: A tensor with the device and dtype of the model.
        start: Length of the prefix.
        prefix: Its keys and values.
        kept: As `Layout.kept`.
    """
    lengths = [stem + sum(branches) for stem, branches in rows]
    width = max(lengths)
    segments = torch.full((len(rows), width), -1)
    places = torch.zeros((len(rows), width), dtype=torch.long)
    for row, (stem, branches) in enumerate(rows):
        segments[row, :stem], places[row, :stem], at = 0, torch.arange(stem), stem
        for number, size in enumerate(branches, start=1):
            segments[row, at : at + size] = number
            places[row, at : at + size] = torch.arange(stem, stem + size)
            at += size
    columns, ends = torch.arange(width), torch.tensor(lengths)
    inside = columns < ends[:, None]
    starts = (ends.cumsum(0) - ends)[:, None]
    mask = None
    if any(branches for _, branches in rows):
        ancestor = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
        seen = (ancestor & (columns <= columns[:, None]))[:, None]
        mask = torch.zeros(seen.shape, dtype=like.dtype).masked_fill(~seen, -torch.inf).to(like.device)
    return Layout(
        (places[inside] + start)[None].to(like.device),
        torch.where(inside, starts + columns, starts).to(like.device),
        inside.flatten().nonzero().squeeze(1).to(like.device),
        mask,
        prefix or {},
        kept,
    )


_current: ContextVar[Layout] = ContextVar("layout")


@contextmanager
def attending(model: Any, to: Layout) -> Iterator[None]:
    """Have `model` attend by the layout `to`.

    Raises:
        CannotShareError: it cannot be told how to attend.
    """
    config = model.config
    before: Any = config._attn_implementation
    if config.sub_configs:
        before = {"": before, **{key: getattr(config, key)._attn_implementation for key in config.sub_configs}}
    token = _current.set(to)
    try:
        model.set_attn_implementation(NAME)
        if config._attn_implementation != NAME:
            raise CannotShareError("its attention cannot be replaced")
        yield
    finally:
        model.set_attn_implementation(before)
        _current.reset(token)


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **options: Any
) -> tuple[Any, None]:
    """What transformers' models call in place of their own attention.

    Args:
        module: The attention layer.
        query: [1, heads, N, size].
        key: [1, key heads, N, size].
        value: [1, key heads, N, size of values].
        attention_mask: None, as the model makes no mask for an attention it does not know.
        scaling: Of the scores; None = 1 / sqrt(size).
        options: What else the model has to say of its attention.

    Returns:
        [1, N, heads, size of values].

    Raises:
        CannotShareError: something of `options` is not computed here.
    """
    if known := [name for name in ("s_aux", "position_bias", "indices") if options.get(name) is not None]:
        raise CannotShareError(f"its attention has a term of its own ({known[0]})")
    if attention_mask is not None or options.get("is_causal") is False or len(query) != 1:
        raise CannotShareError("its attention is not plainly causal")
    to = _current.get()
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if to.kept is not None:
        to.kept[module.layer_idx] = (key, value)
    heads, groups = query.shape[1], query.shape[1] // key.shape[1]
    # Scores x become c tanh(x / c); so far Gemma 2 alone.
    cap = options.get("softcap")
    rows = [part[0][:, to.padded].transpose(0, 1) for part in (query, key, value)]
    own_query, own_key, own_value = rows[0], _repeat(rows[1], groups), _repeat(rows[2], groups)
    if not to.prefix and cap is None:
        causal = to.mask is None
        own = functional.scaled_dot_product_attention(
            own_query, own_key, own_value, attn_mask=to.mask, is_causal=causal, scale=scale
        )
        return _flat(own, to)[None], None
    own, own_z = _partial(own_query, own_key, own_value, scale, to.mask, cap, causal=True)
    own, own_z = _flat(own, to), _flat(own_z, to)
    if not to.prefix:
        return own[None], None
    # All queries of a key head see the same keys: one long query instead of keys repeated.
    keys, values = to.prefix[module.layer_idx]
    together = query.reshape(1, key.shape[1], -1, query.shape[-1])
    shared, shared_z = _partial(together, keys, values, scale, None, cap, causal=False)
    shared = shared.reshape(heads, -1, shared.shape[-1]).transpose(0, 1)
    share = torch.sigmoid(shared_z.reshape(heads, -1).transpose(0, 1) - own_z).to(own.dtype)
    return torch.lerp(own, shared, share[..., None])[None], None


def _partial(
    query: Any, key: Any, value: Any, scale: float, mask: Any, cap: float | None, *, causal: bool
) -> tuple[Any, Any]:
    """Attention [B, heads, Q, size] and the log-sum-exp [B, heads, Q] of its scores."""
    if query.device.type == "cpu" and cap is None and query.shape[-1] == value.shape[-1]:
        # PyTorch's own kernel for the CPU; its public function keeps the log-sum-exp to itself.
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, z = kernel(query, key, value, 0.0, causal and mask is None, attn_mask=mask, scale=scale)
        return out, z
    rows, _, length, _ = query.shape
    if causal and mask is None:
        mask = query.new_full((1, 1, length, length), -torch.inf).triu(1)
    # In pieces: of rows, or of the one long row that is everything after the prefix.
    along = 0 if rows > 1 else 2
    size = max(1, SCORES * query.shape[along] // (query.shape[:3].numel() * key.shape[2]))
    pieces = []
    for start in range(0, query.shape[along], size):
        where = [slice(None)] * 3
        where[along] = slice(start, start + size)
        seen = None if mask is None else mask.expand(rows, -1, -1, -1)[where[0], :, where[2]]
        pieces.append(_scored(query[where[0], :, where[2]], key[where[0]], value[where[0]], scale, seen, cap))
    out, z = zip(*pieces, strict=True)
    return torch.cat(out, along), torch.cat(z, along)


def _scored(query: Any, key: Any, value: Any, scale: float, mask: Any, cap: float | None) -> tuple[Any, Any]:
    # Scaled before, as half precision ends at 65,504.
    scores = ((query * scale) @ key.transpose(-1, -2)).float()
    if cap is not None:
        scores = torch.tanh(scores / cap) * cap
    if mask is not None:
        scores = scores + mask
    z = scores.logsumexp(-1)
    return (scores - z[..., None]).exp().to(value.dtype) @ value, z


def _flat(padded: Any, to: Layout) -> Any:
    """[B, heads, W, ...] to [N, heads, ...]."""
    return padded.transpose(1, 2).flatten(0, 1)[to.real]


def _repeat(heads: Any, times: int) -> Any:
    return heads if times == 1 else heads.repeat_interleave(times, dim=1)


AttentionInterface.register(NAME, attend)
