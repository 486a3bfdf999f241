"""Orthogonal-subspace fine-tuning: what a base's large singular directions do stays as it is."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn.utils import parametrize
from transformers.pytorch_utils import Conv1D

from components.contracts.errors import TouchstoneError


class LowPart(torch.nn.Module):
    """A matrix as a frozen part plus a trained one: W = high + U diag(S) V.

    Nayak et al. 2025, "Sculpting Subspaces" (arXiv 2504.07097): W = U_h S_h V_h + U S V is the singular value
    decomposition, split after the k largest of r = min(N, M) directions, k = floor(r (1 - ratio)) and at least one left
    to train. Gradients of U and V lose what lies in the frozen directions,

        dU <- dU - U_h U_h^T dU        dV <- dV - dV V_h^T V_h

    and so do U and V themselves after every step, for an optimizer that rescales entry by entry turns a projected
    gradient back. The update of W is then zero on the frozen directions: U_h^T dW = 0 and dW V_h^T = 0.
    """

    left: Any
    right: Any
    high: Any

    def __init__(self, weight: Any, ratio: float) -> None:
        """Split `weight` (N, M) so that `ratio` of its directions are trained; decomposed in fp32 at least."""
        super().__init__()
        exact = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
        left, scale, right = torch.linalg.svd(exact, full_matrices=False)
        frozen = min(math.floor(len(scale) * (1.0 - ratio) + 1e-9), len(scale) - 1)
        self.start = [part.to(weight.dtype).contiguous() for part in (left[:, frozen:], scale[frozen:], right[frozen:])]
        self.register_buffer("left", left[:, :frozen].to(weight.dtype).contiguous())
        self.register_buffer("right", right[:frozen].to(weight.dtype).contiguous())
        # W less the trained part, not U_h S_h V_h: training then begins at W itself, to one rounding.
        self.register_buffer("high", weight.detach() - _product(*self.start))

    def forward(self, left: Any, scale: Any, right: Any) -> Any:
        """The matrix, (N, M)."""
        return self.high + _product(left, scale, right)

    def right_inverse(self, weight: Any) -> tuple[Any, Any, Any]:
        """U (N, r-k), S (r-k,) and V (r-k, M) of the matrix that was split."""
        left, scale, right = self.start
        self.start = []
        return left, scale, right

    def off_left(self, value: Any) -> Any:
        """(N, r-k) without its part in the frozen left directions."""
        return value - self.left @ (self.left.mT @ value)

    def off_right(self, value: Any) -> Any:
        """(r-k, M) without its part in the frozen right directions."""
        return value - (value @ self.right.mT) @ self.right


class Subspace:
    """All matrices of a model but embeddings and output, split; everything else is trained as ever."""

    def __init__(self, model: Any, ratio: float) -> None:
        """Split the linear layers of `model` in place.

        Args:
            model: Any causal LM.
            ratio: Share of directions trained, in (0, 1). 1 would freeze nothing: plain training, without a split.

        Raises:
            TouchstoneError: the model has no linear layers.
        """
        output = model.get_output_embeddings()
        self._layers = [
            module
            for module in model.modules()
            if isinstance(module, torch.nn.Linear | Conv1D) and module is not output and module.weight.requires_grad
        ]
        if not self._layers:
            raise TouchstoneError(
                f"{type(model).__name__} has no linear layers to split", expected="a transformer with linear layers"
            )
        self._parts = [self._split(layer, ratio) for layer in self._layers]

    @staticmethod
    def _split(layer: Any, ratio: float) -> tuple[LowPart, Any, Any]:
        part = LowPart(layer.weight, ratio)
        parametrize.register_parametrization(layer, "weight", part)
        made = layer.parametrizations.weight
        made.original0.register_hook(part.off_left)
        made.original2.register_hook(part.off_right)
        return part, made.original0, made.original2

    def attach(self, optimizer: Any) -> None:
        """Project the trained factors after every step of `optimizer`."""
        optimizer.register_step_post_hook(lambda *_: self.project())

    @torch.no_grad()
    def project(self) -> None:
        """Take out of the trained factors what lies in the frozen directions."""
        for part, left, right in self._parts:
            left.copy_(part.off_left(left))
            right.copy_(part.off_right(right))

    def dense(self) -> None:
        """Make plain matrices of the layers again, as they are now."""
        for layer in self._layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _product(left: Any, scale: Any, right: Any) -> Any:
    return (left * scale) @ right
