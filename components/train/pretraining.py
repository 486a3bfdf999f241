"""Making the embedded world's models: several at once, each in a process of its own on one thread."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from components.contracts.bind import Metrics, validated
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Output
from components.contracts.processes import die_with_parent
from components.contracts.training_rows import TrainingStep
from components.train import course
from components.train.chunking import Blocks, encode_dialogue, encode_texts, pack
from components.train.fetching import num_parameters
from components.train.loop import fit
from components.train.models import Shape, new_model, save
from components.train.params import PretrainParams
from components.train.recipe import Recipe
from components.train.tokenizer import ready_for_dialogue, word_level

ORDER = ("target", "large", "small", "judge")
"""Longest first, so that no worker is left alone with the longest at the end. Also fixes each model's seed."""

PHASES = {"pretrain": "pretraining", "tuning": "tuning"}
"""Curve in loss.json -> phase of its rows."""


class Job(NamedTuple):
    """One model to make."""

    name: str
    texts: Sequence[str]
    tuning: Sequence[Dialogue]
    """Empty for all but the target."""
    folder: Path


def pretrain_all(
    corpora: Mapping[str, Sequence[str]],
    tuning: Sequence[Dialogue],
    outputs: Mapping[str, Output[Checkpoint]],
    curve: Output[TrainingStep],
    params: PretrainParams,
) -> Metrics:
    """See `step.pretrain`."""
    empty = [name for name, texts in corpora.items() if not texts]
    if empty:
        raise TouchstoneError(f"the corpus of {', '.join(empty)} is empty", expected="at least one text")
    for name in ORDER:
        _shape(name, params)  # before anything is trained
    spoken = [turn.text for dialogue in tuning for turn in dialogue.turns]
    words = sorted({*spoken, *(text for texts in corpora.values() for text in texts)})
    jobs = [Job(name, corpora[name], tuning if name == "target" else (), outputs[name].folder) for name in ORDER]
    # Forked, not spawned: a fresh interpreter would import torch again.
    with multiprocessing.get_context("fork").Pool(params.workers, _prepare_worker, (words, params)) as pool:
        courses = dict(pool.imap_unordered(_make, jobs))
    losses = {name: courses[name]["pretrain"][-1].loss for name in ORDER}
    for name in ORDER:
        size = num_parameters(outputs[name].path)
        outputs[name].commit(notes={"final_loss": round(losses[name], 4), "parameters": size})
    curve.write(
        row
        for name in ORDER
        for part, steps in courses[name].items()
        for row in course.rows(steps, model=name, phase=PHASES[part])
    )
    return {f"{name}_final_loss": losses[name] for name in ORDER}


_WORKER: dict[str, object] = {}


def _prepare_worker(words: Sequence[str], params: PretrainParams) -> None:
    die_with_parent()
    torch.set_num_threads(1)
    _WORKER.update(words=words, params=params)


def _make(job: Job) -> tuple[str, dict[str, list[course.Step]]]:
    words, params = _WORKER["words"], _WORKER["params"]
    assert isinstance(words, list)
    assert isinstance(params, PretrainParams)
    tokenizer = word_level(words)
    seed = params.seed * len(ORDER) + ORDER.index(job.name)
    model = new_model(_shape(job.name, params), tokenizer, seed)
    recipe = Recipe.of(params.recipe)
    encoded = encode_texts(tokenizer, job.texts)
    curves = {
        "pretrain": fit(
            model, pack(encoded, recipe.block_tokens, seed, isolated=recipe.isolated), recipe, seed=seed, doing=job.name
        )
    }
    if job.tuning:
        ready_for_dialogue(tokenizer, model)
        curves["tuning"] = fit(model, _tuning_blocks(tokenizer, job, params, seed), _tuning(params), seed=seed)
    save(job.folder, model, tokenizer, {name: [step.loss for step in steps] for name, steps in curves.items()})
    return job.name, curves


def _shape(name: str, params: PretrainParams) -> Shape:
    return validated(Shape, params.shapes.get(name, {}), what=f"the shape of {name}")


def _tuning(params: PretrainParams) -> Recipe:
    return Recipe.of(params.tuning)


def _tuning_blocks(tokenizer: object, job: Job, params: PretrainParams, seed: int) -> Blocks:
    """The target's dialogues, with some of its corpus so that tuning does not cost it what it knows."""
    recipe = _tuning(params)
    length = recipe.block_tokens
    dialogues = pack((encode_dialogue(tokenizer, d) for d in job.tuning), length, seed, isolated=recipe.isolated)
    wanted = params.tuning_replay * dialogues.tokens.numel()
    texts = list(job.texts)
    random.Random(seed).shuffle(texts)
    replayed, count = [], 0
    for document in encode_texts(tokenizer, texts) if wanted else ():
        if count >= wanted:
            break
        replayed.append(document)
        count += len(document.tokens)
    if not replayed:
        return dialogues
    again = pack(replayed, length, seed, isolated=recipe.isolated)
    return Blocks(*(torch.cat(parts) for parts in zip(dialogues, again, strict=True)))
