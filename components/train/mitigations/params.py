"""Mitigations as fields of a recipe; all off by default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts.errors import UsageError


class Lora(BaseModel):
    """Low-rank adapters (Hu et al. 2022) on every linear layer but the output, by peft; merged at the end."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rank: Annotated[int, Field(gt=0)] = 16
    """Rank r of an update."""
    alpha: Annotated[int, Field(gt=0)] = 32
    """An update is scaled by alpha / r."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Of an adapter's input while training."""


class Mitigation(BaseModel):
    """What a recipe does against forgetting. A lower rate is the recipe's own; interpolation is a step."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    replay_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Pre-training text among all tokens of the training (0.05 = one token in twenty); comes from the port `replay`."""
    kl_beta: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the divergence from the base's next-token distribution; 0 = no anchor, and no copy of the base."""
    kl_direction: Literal["base_to_model", "model_to_base"] = "base_to_model"
    """base_to_model: KL(base || model), what distillation keeps and what forgetting goes with. model_to_base: the
    reverse, as in fine-tuning by reinforcement."""
    loss: Literal["cross_entropy", "dft"] = "cross_entropy"
    """dft: each token's loss is weighted by the probability the model gives it (dynamic fine-tuning)."""
    unfreeze_rank_ratio: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Orthogonal-subspace fine-tuning: the share of a matrix's singular directions, from the smallest, that is trained;
    1 = plain training, null = off."""
    lora: Lora | None = None
    """Train adapters in place of the weights; null = off."""

    @model_validator(mode="after")
    def _one_parametrization(self) -> Mitigation:
        if self.lora is not None and self.unfreeze_rank_ratio is not None:
            raise UsageError(
                "the recipe asks for both lora and unfreeze_rank_ratio",
                expected="one of them: each says which weights are trained",
            )
        return self
