"""Choosing tokens; every request draws from a random stream of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from components.contracts.rows import Request

BROKEN = -1
"""In place of a token: the model's output is not a number."""


def uniforms(request: Request) -> npt.NDArray[np.float64]:
    """The request's random stream: one uniform number in [0, 1) for each token it may write."""
    generator = torch.Generator().manual_seed(request.seed)
    drawn: npt.NDArray[np.float64] = torch.rand(request.max_tokens, generator=generator, dtype=torch.float64).numpy()
    return drawn


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a text: the checkpoint's generation config names them, or the tokenizer."""
    named = model.generation_config.eos_token_id if getattr(model, "generation_config", None) else None
    listed = named if isinstance(named, list) else [named]
    return frozenset(int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None)


def choose(
    logits: Any,
    temperatures: npt.NDArray[np.float32],
    nuclei: npt.NDArray[np.float32],
    draws: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """Next token of every row, or BROKEN where its highest logit is not finite.

    Greedy at temperature 0, else inverse transform: the first token whose cumulative share passes the draw.

    Args:
        logits: Shape [rows, vocabulary].
        temperatures: Shape [rows].
        nuclei: Shape [rows]; the request's `top_p`.
        draws: Uniform numbers in [0, 1), shape [rows]; read where the temperature is above 0.
    """
    logits = logits.float()
    tokens = logits.argmax(-1)
    # argmax takes NaN for the highest, so one look at the peak sees every NaN and infinity that matters.
    whole = logits.gather(-1, tokens[:, None]).squeeze(-1).isfinite()
    if (rows := np.flatnonzero(temperatures > 0)).size:
        device = logits.device
        at = torch.from_numpy(rows).to(device)
        heat = torch.from_numpy(np.maximum(temperatures[rows], 1e-6)).to(device)
        shares = (logits[at] / heat[:, None]).softmax(-1).double()
        if (nuclei[rows] < 1).any():
            shares = nucleus(shares, torch.from_numpy(nuclei[rows]).to(device))
        shares = shares.cumsum(-1)
        passed = torch.from_numpy(draws[rows]).to(device)[:, None] * shares[:, -1:]
        drawn = torch.searchsorted(shares, passed, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
        tokens[at] = drawn
    chosen: npt.NDArray[np.int64] = torch.where(whole, tokens, BROKEN).cpu().numpy()
    return chosen


def nucleus(shares: Any, top_p: Any) -> Any:
    """Shares with 0 for every token outside the smallest set of likeliest ones that reaches `top_p`.

    The likeliest token always stays. Shares are not scaled up: the draw is, by what is left.

    Args:
        shares: Shape [rows, vocabulary].
        top_p: Shape [rows].
    """
    ordered, tokens = shares.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    kept = (before < top_p[:, None]) | (top_p[:, None] >= 1)
    return torch.zeros_like(shares).scatter(-1, tokens, torch.where(kept, ordered, torch.zeros_like(ordered)))
