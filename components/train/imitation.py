"""Fine-tuning a base on the target's replies."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from components.contracts.bind import Metrics
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Dialogue
from components.contracts.workplace import Workplace
from components.train.chunking import encode_dialogue, pack
from components.train.loop import Training
from components.train.models import load, save
from components.train.recipe import Recipe
from components.train.step import Params
from components.train.tokenizer import ready_for_dialogue

TAIL_STEPS = 10


def fine_tune(
    dialogues: Sequence[Dialogue],
    base: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    workplace: Workplace,
    params: Params,
) -> Metrics:
    """See `step.train`. The warm-up's length and the number of steps are in the manifest's notes."""
    recipe = Recipe.model_validate(params.recipe)
    torch.manual_seed(params.seed)
    model, tokenizer = load(base.folder)
    added = ready_for_dialogue(tokenizer, model)
    order = params.seed if recipe.data_order == "shuffled" else None
    blocks = pack(
        (encode_dialogue(tokenizer, d) for d in dialogues), recipe.block_tokens, order, isolated=recipe.isolated
    )
    began = time.monotonic()
    training = Training(model, blocks, recipe, seed=params.seed)
    training.run(workplace=workplace, state_seconds=params.state_seconds, doing=f"training {params.name}".strip())
    seconds = time.monotonic() - began
    losses = training.losses
    save(checkpoint.folder, model, tokenizer, {"train": losses})
    warmup = recipe.warmup(len(losses))
    notes: dict[str, object] = {
        "steps": len(losses),
        "warmup_steps": warmup,
        "learned_tokens": int(blocks.learned.sum()),
        "new_tokens": added,
    }
    if warmup >= len(losses):
        notes["warning"] = f"the warm-up of {warmup} steps is as long as the run of {len(losses)}: the rate never peaks"
    checkpoint.commit(notes=notes)
    tail = losses[-TAIL_STEPS:]
    return {
        "steps": float(len(losses)),
        "learned_tokens": float(blocks.learned.sum()),
        "final_loss": sum(tail) / len(tail),
        "tokens_per_second": len(losses) * recipe.batch_size * recipe.block_tokens / max(seconds, 1e-9),
    }
