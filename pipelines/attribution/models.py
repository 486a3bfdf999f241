"""The language model whose hidden states stand for texts: a folder, a pinned repository, or a small one made here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Output, write_rows
from components.contracts.rows import TextRow
from pipelines.evaluation.materials import as_checkpoint

SHAPE = {"hidden": 96, "layers": 2, "heads": 4, "context_tokens": 256}
RECIPE = {"batch_size": 8, "block_tokens": 256, "isolated": False, "learning_rate": 2e-3, "schedule": "cosine"}
"""Measured on the State-of-the-Union addresses (1.5 million tokens): two minutes on one core."""
MIN_OCCURRENCES = 20
"""Of a word in the texts learned from; rarer ones share a token, or most of the model would be its table of words."""


def given_model(named: str, out: Path) -> Path:
    """A checkpoint by a folder, or by a repository on the Hub and its commit.

    Args:
        named: Such as models/gpt2 or openai-community/gpt2@COMMIT.
        out: Folder for what has to be made of it.

    Raises:
        UsageError: neither.
        TouchstoneError: it cannot be downloaded, or holds no model.
    """
    if Path(named).is_dir():
        return as_checkpoint(Path(named), out)
    repository, separator, revision = named.rpartition("@")
    if not separator:
        raise UsageError(
            f"{named} is no folder, and as a repository on the Hub it has no revision",
            expected="the folder of a causal LM, or REPOSITORY@COMMIT",
            remedy="name the 40 characters of the commit that the repository's page shows",
        )
    from components.train.step import fetch_checkpoint

    bind.call(
        fetch_checkpoint,
        params={"name": repository, "source": repository, "revision": revision},
        checkpoint=out / "checkpoint",
    )
    return out / "checkpoint"


def small_model(texts: Sequence[str], out: Path, *, seed: int) -> Path:
    """A small causal LM, trained from nothing on `texts`; gives its checkpoint.

    Raises:
        TouchstoneError: the texts are too short to train on.
    """
    from components.train.step import pretrain_base

    if not any(text.strip() for text in texts):
        raise TouchstoneError("there is no text to train a model on", remedy="give --model")
    corpus = [TextRow(id=str(number), text=text) for number, text in enumerate(texts)]
    write_rows(out / "corpus", TextRow, corpus)
    _write_tokenizer(texts, Output(out / "tokenizer", Checkpoint))
    bind.call(
        pretrain_base,
        params={"name": "small model", "shape": SHAPE, "recipe": RECIPE, "seed": seed},
        corpus=out / "corpus",
        like=out / "tokenizer",
        checkpoint=out / "model",
        curve=out / "curve",
    )
    return out / "model"


def _write_tokenizer(texts: Sequence[str], output: Output[Checkpoint]) -> None:
    from components.train.tokenizer import WORD, word_level

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(re.findall(WORD, text))
    common = [word for word, times in counts.items() if times >= MIN_OCCURRENCES]
    word_level(common).save_pretrained(output.folder)
    output.commit()
