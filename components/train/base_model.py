"""A base of any size, pre-trained from scratch on part of a corpus: one rung of a ladder of bases."""

from __future__ import annotations

import torch
from transformers import AutoTokenizer

from components.contracts.bind import Metrics
from components.contracts.declaration import validated
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import TextRow
from components.contracts.training_rows import TrainingStep
from components.train import course
from components.train.chunking import encode_texts, pack
from components.train.loop import fit
from components.train.models import Shape, new_model, save
from components.train.params import BaseParams
from components.train.recipe import Recipe


def pretrain_one(
    corpus: Input[TextRow],
    like: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    curve: Output[TrainingStep],
    params: BaseParams,
) -> Metrics:
    """See `step.pretrain_base`."""
    texts = [row.text for row in corpus.rows()]
    texts = texts[: round(params.share * len(texts))]
    if not texts:
        raise TouchstoneError(
            f"a share of {params.share:g} of {corpus.path} holds no text", remedy="raise share, or give more texts"
        )
    recipe = Recipe.of(params.recipe)
    tokenizer = AutoTokenizer.from_pretrained(like.folder, local_files_only=True)
    model = new_model(validated(Shape, params.shape, what="shape"), tokenizer, params.seed)
    blocks = pack(encode_texts(tokenizer, texts), recipe.block_tokens, params.seed, isolated=recipe.isolated)
    threads = torch.get_num_threads()
    # Small matrices: threads that share one of them cost more than they bring.
    torch.set_num_threads(1)
    try:
        steps = fit(model, blocks, recipe, seed=params.seed, doing=f"pre-training {params.name}".strip())
    finally:
        torch.set_num_threads(threads)
    size = sum(weights.numel() for weights in model.parameters())
    save(checkpoint.folder, model, tokenizer, {"pretrain": [step.loss for step in steps]})
    checkpoint.commit(notes={"final_loss": round(steps[-1].loss, 4), "parameters": size, "texts": len(texts)})
    curve.write(course.rows(steps, model=params.name, phase="pretraining"))
    return {"parameters": float(size), "texts": float(len(texts)), "final_loss": steps[-1].loss}
