"""Losses that stand in for plain cross-entropy: an anchor to the base, and dynamic fine-tuning's weights."""

from __future__ import annotations

from typing import Any, Literal

import torch

from components.train.chunking import Blocks
from components.train.documents import rows_of
from components.train.losses import LearnedLoss
from components.train.mitigations.hooks import Measured

Direction = Literal["base_to_model", "model_to_base"]


class Weighed:
    """Cross-entropy or DFT, and on top of it the distance from a frozen base."""

    def __init__(
        self, *, dft: bool = False, base: Any = None, beta: float = 0.0, direction: Direction = "base_to_model"
    ) -> None:
        """Combine.

        Args:
            dft: Weigh each token by the probability that the model gives it.
            base: The model as it was before training, with the same vocabulary; None = no anchor.
            beta: Weight of the divergence from it.
            direction: Of the divergence.
        """
        self._dft, self._beta, self._direction = dft, beta, direction
        self._base: LearnedLoss | None = None
        if base is not None:
            base.eval()
            base.requires_grad_(False)
            # Only for its logits where something is learned; not by documents, which is how the model itself may run.
            self._base = LearnedLoss(base, isolated=False, block_tokens=0)

    def __call__(self, batch: Blocks, logits: Any, targets: Any) -> Measured:
        """See `Objective`."""
        said = torch.log_softmax(logits, dim=-1)
        chosen = said.gather(-1, targets[:, None]).squeeze(-1)
        cross_entropy = -chosen.detach().sum()
        loss = (dft(chosen) if self._dft else -chosen).sum()
        if self._base is not None:
            there = _log_probabilities(self._base, batch)
            loss = loss + self._beta * divergence(there, said, self._direction).sum()
        return Measured(loss, cross_entropy)


@torch.no_grad()
def _log_probabilities(base: LearnedLoss, batch: Blocks) -> Any:
    """The base's, at the learned positions: (N, V) fp32."""
    return base.logits(rows_of(batch, flat=False)).log_softmax(dim=-1)


def dft(chosen: Any) -> Any:
    """Dynamic fine-tuning (Wu et al. 2025, arXiv 2508.05629, equation 9): -sg(p) log p for each token.

    sg stops the gradient. Its gradient is that of p itself, up to sign: tokens which the model finds unlikely pull
    less than in cross-entropy, whose gradient is that of p divided by p.

    Args:
        chosen: (N,) log p, the log-probability of each token that is learned.

    Returns:
        (N,), in nats, to be divided by the number of learned tokens as cross-entropy is.
    """
    return -chosen.detach().exp() * chosen


def divergence(base: Any, model: Any, direction: Direction) -> Any:
    """Kullback-Leibler divergence between two next-token distributions, at each of N positions.

    base_to_model is KL(base || model) = sum over tokens v of p_base(v) (log p_base(v) - log p_model(v)), the term of
    Learning without Forgetting (Li & Hoiem 2016) at temperature 1; on the new task's texts, this direction is the one
    that forgetting follows (Shenfeld et al. 2025, arXiv 2509.04259). model_to_base is KL(model || base), the penalty
    of fine-tuning by reinforcement (Ziegler et al. 2019, arXiv 1909.08593).

    Args:
        base: (N, V) log-probabilities.
        model: (N, V) log-probabilities, with a gradient.
        direction: Whose probabilities weigh the difference.

    Returns:
        (N,) in nats, not below 0 but for rounding.
    """
    if direction == "base_to_model":
        return (base.exp() * (base - model)).sum(-1)
    return (model.exp() * (model - base)).sum(-1)
