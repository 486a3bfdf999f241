"""bf16 arithmetic over fp32 weights, and activations computed again instead of kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from components.contracts.errors import TouchstoneError


def arithmetic(precision: str, device: Any) -> AbstractContextManager[Any]:
    """What a forward pass runs in. Weights, their gradients and the optimizer's moments are fp32 in either case.

    Raises:
        TouchstoneError: the device has no bf16.
    """
    if precision == "float32":
        return nullcontext()
    kind = torch.device(device).type
    if not has_bfloat16(kind):
        raise TouchstoneError(
            f"the recipe wants precision bfloat16, and this device ({described(kind)}) has none",
            expected="a GPU of compute capability 8.0 (Ampere) or later, or a CPU",
            remedy="set precision: float32 in the recipe",
        )
    return torch.autocast(kind, dtype=torch.bfloat16)


def has_bfloat16(kind: str) -> bool:
    """Whether a kind of device computes in bf16; emulation by a GPU without it counts as none."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu"


def described(kind: str) -> str:
    """The device's name."""
    return torch.cuda.get_device_name() if kind == "cuda" and torch.cuda.is_available() else kind


@contextmanager
def recomputing(model: Any, wanted: bool) -> Iterator[None]:
    """Within, a layer's activations are dropped and computed again in the backward pass: a third more work.

    Raises:
        TouchstoneError: the architecture cannot.
    """
    if not wanted:
        yield
        return
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise TouchstoneError(
            f"{type(model).__name__} cannot compute activations again",
            remedy="set recompute: false in the recipe, and a smaller rows_at_once where memory is short",
        )
    model.activation_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        model.activation_checkpointing_disable()
