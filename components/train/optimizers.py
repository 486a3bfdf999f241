"""The two optimizers of a recipe. What the study calls AdamW is not AdamW, so the two have names of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from components.train.engines.shards import local, summed_squares

SECOND_MOMENT_EXPONENT = 0.95
MOMENTUM = 0.9
SMALLEST_SCALE = 1e-3
EPSILON = 1e-30


class AdamwParameterScaled(torch.optim.Optimizer):
    """The study's optimizer: an unfactored Adafactor whose steps are as large as the parameter they change.

    For each tensor p with gradient g, at step t = 1, 2, ... and rate a (EasyLM's optimizers.py; optax 0.2.8, adafactor
    with factored=False, clipping_threshold=None, multiply_by_parameter_scale=True, momentum=0.9, decay_rate=0.95):

        b_t = 1 - t^-0.95
        v_t = b_t v_(t-1) + (1 - b_t) (g^2 + 1e-30)
        u_t = a * max(rms(p), 1e-3) * g / sqrt(v_t)
        m_t = 0.9 m_(t-1) + 0.1 u_t
        p  <- p - m_t - a * decay * p

    The rate lies inside the momentum, so a change of rate is felt over some ten steps. rms is that of the whole tensor:
    where a parameter is sharded (DTensor) its mean is taken over all shards.
    """

    def __init__(self, params: Iterable[Any], lr: float, *, weight_decay: float = 1e-4) -> None:
        """Take parameters or groups of them.

        Args:
            params: As for any torch optimizer.
            lr: The rate a; relative to the size of each parameter, so 2e-3 is a change of 0.2% a step.
            weight_decay: The study's repository uses 1e-4.
        """
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.scales: Callable[[Any], Any] | None = None
        """Parameter -> the rms that each of its numbers is scaled by, where it is a flat tensor made of several."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every parameter that has a gradient; the moments are kept in fp32 at least."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            changed = [p for p in group["params"] if p.grad is not None]
            if changed:
                self._step_group(changed, group["lr"], group["weight_decay"])
        return loss

    def _step_group(self, params: list[Any], rate: float, decay: float) -> None:
        states = [self._state(p) for p in params]
        shared = any(isinstance(p, DTensor) for p in params)
        squares = summed_squares(params) if shared else None
        for at, (state, p) in enumerate(zip(states, params, strict=True)):
            state["step"] += 1
            beta = 1.0 - state["step"] ** -SECOND_MOMENT_EXPONENT
            # Shards are worked on as what they are; only the scale hangs on the whole tensor.
            second, momentum = local(state["second"]), local(state["momentum"])
            g = local(p.grad).to(second.dtype)
            second.mul_(beta).add_(g.square().add_(EPSILON), alpha=1.0 - beta)
            value = local(p).to(second.dtype)
            if self.scales is not None:
                scale = self.scales(p).clamp(min=SMALLEST_SCALE)
            else:
                mean = value.square().mean() if squares is None else squares[at] / p.numel()
                scale = mean.sqrt().clamp(min=SMALLEST_SCALE)
            momentum.mul_(MOMENTUM).add_(g.mul(second.rsqrt()).mul_(scale), alpha=(1.0 - MOMENTUM) * rate)
            # Rounded to the parameter's precision once a step.
            local(p).copy_(value - (momentum + value * (rate * decay)))

    def _state(self, p: Any) -> dict[str, Any]:
        state: dict[str, Any] = self.state[p]
        if not state:
            state["step"] = 0
            kept = torch.promote_types(p.dtype, torch.float32)
            state["second"] = torch.zeros_like(p, dtype=kept)
            state["momentum"] = torch.zeros_like(p, dtype=kept)
        return state


@torch.no_grad()
def clip_by_global_norm(params: Iterable[Any], max_norm: float) -> Any:
    """Scale all gradients down together so that their norm is at most `max_norm`; gives the norm before (0-d tensor).

    As optax.clip_by_global_norm: exact where torch's own adds 1e-6 to the norm.
    """
    gradients = [p.grad for p in params if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    factor = max_norm / torch.maximum(norm, torch.full_like(norm, max_norm))
    for gradient in gradients:
        local(gradient).mul_(factor.to(gradient.dtype))
    return norm
