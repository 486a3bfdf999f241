"""The training loop: one process, any causal LM, deterministic by seed."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from components.contracts.errors import TouchstoneError
from components.train.chunking import Blocks
from components.train.isolation import check_isolation
from components.train.optimizers import AdamwParameterScaled, clip_by_global_norm

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
    block_tokens: Annotated[int, Field(gt=1)] = 2048
    """Tokens a block."""
    isolated: bool = True
    """Keep the documents of a block apart: none reads another, positions begin anew. False = a block is one text."""
    epochs: Annotated[int, Field(gt=0)] = 1
    """Passes over the data."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Linear warm-up; null = the study's 1,000 steps, or a tenth of all steps where that is less."""
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up."""
    final_rate_ratio: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    """Where the cosine ends, relative to the peak."""

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


def fit(model: Any, blocks: Blocks, recipe: Recipe, *, seed: int, doing: str = "training") -> list[float]:
    """Train in place; gives the loss of every step, in nats per learned token.

    The loss is cross-entropy over the learned tokens of a batch; the order of blocks is drawn from `seed`.

    Raises:
        TouchstoneError: the loss is no longer a number.
    """
    model.train()
    if recipe.isolated:
        check_isolation(model, blocks)
    optimizer = _optimizer(model, recipe)
    peaks = [group["lr"] for group in optimizer.param_groups]
    per_epoch = math.ceil(len(blocks.tokens) / recipe.batch_size)
    num_steps = per_epoch * recipe.epochs
    order = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    with tqdm(total=num_steps, desc=doing, disable=None, leave=False) as bar:
        for _ in range(recipe.epochs):
            for picked in torch.randperm(len(blocks.tokens), generator=order).split(recipe.batch_size):
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * recipe.rate(len(losses), num_steps)
                losses.append(_step(model, optimizer, Blocks(*(part[picked] for part in blocks)), recipe))
                bar.update()
                bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    return losses


def _step(model: Any, optimizer: Any, batch: Blocks, recipe: Recipe) -> float:
    wanted = batch.learned[:, 1:]
    # A batch may consist of users' words only; it teaches nothing and must not divide by zero.
    if not bool(wanted.any()):
        return 0.0
    tokens, positions, wanted = (part.to(model.device) for part in (batch.tokens, batch.positions, wanted))
    # Without an attention mask transformers takes the documents' borders from the positions.
    logits = model(input_ids=tokens, position_ids=positions, use_cache=False).logits[:, :-1][wanted].float()
    loss = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][wanted])
    optimizer.zero_grad()
    loss.backward()
    clip_by_global_norm(model.parameters(), recipe.max_grad_norm)
    optimizer.step()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TouchstoneError(
            "the training loss is no longer a number",
            expected="a finite loss",
            remedy=f"lower learning_rate (now {recipe.learning_rate}) or lengthen the warm-up",
        )
    return value


def _optimizer(model: Any, recipe: Recipe) -> Any:
    embedding = model.get_input_embeddings().weight
    rest = [p for p in model.parameters() if p is not embedding and p.requires_grad]
    groups = [
        {"params": [embedding], "lr": recipe.learning_rate * recipe.embedding_rate_ratio},
        {"params": rest, "lr": recipe.learning_rate},
    ]
    if recipe.optimizer == "adamw_parameter_scaled":
        decay = STUDY_WEIGHT_DECAY if recipe.weight_decay is None else recipe.weight_decay
        return AdamwParameterScaled(groups, recipe.learning_rate, weight_decay=decay)
    return torch.optim.AdamW(groups, betas=recipe.betas, weight_decay=recipe.weight_decay or 0.0, fused=True)
