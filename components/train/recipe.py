"""How a model is trained: optimizer, rates, batches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.declaration import validated
from components.train.mitigations.params import Mitigation

STUDY_WARMUP_STEPS = 1000
WARMUP_SHARE = 0.1
STUDY_WEIGHT_DECAY = 1e-4


class Recipe(BaseModel):
    """How a model is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    optimizer: Literal["adamw", "adamw_parameter_scaled"] = "adamw"
    """adamw: plain AdamW. adamw_parameter_scaled: the study's, whose rates are relative (2e-3 = 0.2% a step)."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-5
    """Peak rate."""
    embedding_rate_ratio: Annotated[float, Field(gt=0.0)] = 1.0
    """Rate of the embeddings relative to the rest; tiny models learn facts sooner with more."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay of the moments; adamw_parameter_scaled has its own."""
    weight_decay: Annotated[float, Field(ge=0.0)] | None = None
    """Decoupled decay, relative to the rate; null = none for adamw, the study's 1e-4 for adamw_parameter_scaled."""
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Gradients are scaled down to this norm."""
    batch_size: Annotated[int, Field(gt=0)] = 32
    """Blocks a step."""
    rows_at_once: Annotated[int, Field(ge=0)] = 0
    """Blocks that go through the model together; gradients add up to those of the whole batch. 0 = all of a batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the arithmetic. bfloat16: products in bf16; weights, their gradients and the optimizer's moments stay fp32."""
    recompute: bool = False
    """Compute a layer's activations again in the backward pass: equal numbers, far less memory, a third more work."""
    block_tokens: Annotated[int, Field(gt=1)] = 2048
    """Tokens a block."""
    isolated: bool = True
    """Keep the documents of a block apart: none reads another, positions begin anew. False = a block is one text."""
    epochs: Annotated[int, Field(gt=0)] = 1
    """Passes over the data."""
    data_order: Literal["shuffled", "given"] = "shuffled"
    """shuffled: documents and blocks, by the seed. given: as they lie in the data, so that the first steps of a run are
    those of a run on fewer of the same data (`train_nested`)."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Linear warm-up; null = the study's 1,000 steps, or a tenth of all steps where that is less."""
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up."""
    final_rate_ratio: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    """Where the cosine ends, relative to the peak."""
    mitigation: Mitigation = Mitigation()
    """What is done against forgetting; nothing by default."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Recipe:
        """The recipe of the fields that a person wrote.

        Raises:
            UsageError: an unknown field or an impossible value, by name.
        """
        return validated(cls, given, what="the recipe")

    def warmup(self, num_steps: int) -> int:
        """Steps of warm-up in a run of `num_steps`."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return max(1, min(STUDY_WARMUP_STEPS, round(WARMUP_SHARE * num_steps)))

    def rate(self, step: int, num_steps: int) -> float:
        """Share of the peak rate at `step`, counted from 0."""
        warmup = self.warmup(num_steps)
        if step < warmup:
            return (step + 1) / warmup
        if self.schedule == "constant":
            return 1.0
        progress = (step - warmup) / max(1, num_steps - warmup)
        return self.final_rate_ratio + (1 - self.final_rate_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
