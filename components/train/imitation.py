"""Fine-tuning a base on the target's replies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from components.contracts import canonical
from components.contracts.bind import Metrics, identity_of
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import UsageError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import TextRow
from components.contracts.training_rows import TrainingStep
from components.contracts.workplace import Workplace
from components.train import course
from components.train.chunking import Blocks, encode_dialogue, pack
from components.train.engines.choice import check_engine, engine_of, loading_device
from components.train.engines.group import Group
from components.train.heldout import HeldOut, split
from components.train.loop import Training
from components.train.mitigations.preparation import Prepared, counted
from components.train.models import check_context, load, save
from components.train.params import NestedParams, Params
from components.train.recipe import Recipe
from components.train.tokenizer import ready_for_dialogue
from components.train.watching.watch import Place

TAIL_STEPS = 10
HELD_OUT_TOKENS = 4096
"""Go through the model together where the recipe does not say how many."""


def fine_tune(
    dialogues: Input[Dialogue],
    base: Input[Checkpoint],
    checkpoint: Output[Checkpoint] | None,
    curve: Output[TrainingStep] | None,
    workplace: Workplace | None,
    params: Params,
    replay: Input[TextRow],
    group: Group,
) -> Metrics:
    """See `step.train`. The warm-up's length and the number of steps are in the manifest's notes.

    Every process of `group` calls it with the same inputs; outputs and workplace are the chief's.
    """
    recipe = Recipe.of(params.recipe)
    check_engine(params.engine, recipe)
    torch.manual_seed(params.seed)
    rows, folder, texts = group.by_turns(
        lambda: (_first(dialogues, params.num_dialogues), base.folder, [row.text for row in replay.iter_rows()])
    )
    model, tokenizer = load(folder, loading_device(params.engine, group))
    added = ready_for_dialogue(tokenizer, model)
    order = params.seed if recipe.data_order == "shuffled" else None
    parts = split(rows, params.heldout_share)
    documents = [encode_dialogue(tokenizer, d) for d in parts.learned]
    blocks = pack(documents, recipe.block_tokens, order, isolated=recipe.isolated)
    check_context(model, blocks)
    prepared = Prepared(
        model,
        tokenizer,
        recipe,
        num_blocks=len(blocks.tokens),
        imitation_tokens=counted(documents),
        replay=texts,
        seed=params.seed,
    )
    held_out = _held_out(parts.held_out, tokenizer, recipe, params)
    training = _training(prepared, blocks, recipe, held_out, params, group)
    training.run(workplace=workplace, state_seconds=params.state_seconds, place=watched(params, checkpoint))
    speed = training.speed.metrics()
    losses, prepared.model = training.losses, training.model
    if checkpoint is None or curve is None:
        return {}  # the chief writes them
    kept = held_out.put_back(prepared.model) if held_out is not None else len(losses)
    save(checkpoint.folder, prepared.plain(), tokenizer, {"train": losses, **_curve(held_out)})
    notes: dict[str, object] = {"learned_tokens": int(blocks.learned.sum()), "new_tokens": added, **prepared.notes}
    checkpoint.commit(notes={**_about(recipe, losses), **notes, **_heldout_notes(held_out, len(parts.held_out), kept)})
    measured = dict(held_out.curve) if held_out is not None else {}
    curve.write(course.rows(training.steps, model=params.name, phase="imitation", held_out=measured or None))
    return {**_told(losses), "learned_tokens": float(blocks.learned.sum()), **speed, **_heldout_loss(measured, kept)}


def _told(losses: list[float]) -> Metrics:
    tail = losses[-TAIL_STEPS:]
    return {"steps": float(len(losses)), "final_loss": sum(tail) / len(tail)}


def _heldout_loss(measured: dict[int, float], kept: int) -> Metrics:
    return {"heldout_loss": measured[kept]} if measured else {}


def watched(params: Params | NestedParams, output: Output[Any] | None) -> Place:
    """The name of a training, and the folder of its event files: one for the same work, whenever it is taken up."""
    events = None
    if params.tensorboard and output is not None:
        of = {"params": identity_of(params), "parents": dict(output.provenance.parents or {})}
        label = params.name or "training"
        events = Path(params.tensorboard) / f"{label}-seed{params.seed}-{canonical.digest(of)[:8]}"
    step = output.provenance.step.rpartition(":")[2] if output is not None else ""
    return Place(params.name, f"training {params.name}".strip(), events, step)


def _first(dialogues: Input[Dialogue], wanted: int | None) -> list[Dialogue]:
    rows = dialogues.rows()
    if wanted is not None and wanted > len(rows):
        raise UsageError(
            f"{dialogues.path} holds {len(rows):,} dialogues",
            expected=f"at least {wanted:,}",
            remedy="lower num_dialogues, or give more data",
        )
    return rows[:wanted]


def _training(
    prepared: Prepared, blocks: Blocks, recipe: Recipe, held_out: HeldOut | None, params: Params, group: Group
) -> Training:
    if params.engine == "tpu":
        from components.train.tpu import TpuTraining

        return TpuTraining(prepared.model, blocks, recipe, seed=params.seed, held_out=held_out)
    engine = engine_of(params.engine, group, offload=params.offload)
    return Training(
        prepared.model, blocks, recipe, seed=params.seed, hooks=prepared.hooks, held_out=held_out, engine=engine
    )


def _about(recipe: Recipe, losses: Sequence[float]) -> dict[str, object]:
    """Steps and warm-up, with a warning where the one is as long as the other."""
    warmup = recipe.warmup(len(losses))
    notes: dict[str, object] = {"steps": len(losses), "warmup_steps": warmup}
    if warmup >= len(losses):
        notes["warning"] = f"the warm-up of {warmup} steps is as long as the run of {len(losses)}: the rate never peaks"
    return notes


def _held_out(dialogues: Sequence[Dialogue], tokenizer: Any, recipe: Recipe, params: Params) -> HeldOut | None:
    if not dialogues:
        return None
    return HeldOut(
        pack((encode_dialogue(tokenizer, d) for d in dialogues), recipe.block_tokens, None, isolated=recipe.isolated),
        rows_at_once=recipe.rows_at_once or max(1, HELD_OUT_TOKENS // recipe.block_tokens),
        points=params.heldout_points,
        keep_lowest=params.keep == "lowest_heldout_loss",
    )


def _curve(held_out: HeldOut | None) -> dict[str, list[float]]:
    if held_out is None:
        return {}
    steps, losses = zip(*held_out.curve, strict=True)
    return {"heldout_steps": [float(step) for step in steps], "heldout": list(losses)}


def _heldout_notes(held_out: HeldOut | None, num_dialogues: int, kept: int) -> dict[str, object]:
    if held_out is None:
        return {}
    curve = [[step, round(loss, 5)] for step, loss in held_out.curve]
    return {"heldout_dialogues": num_dialogues, "heldout_loss": curve, "kept_step": kept}
