"""Making, loading and saving models."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from components.contracts.errors import TouchstoneError, UsageError
from components.train.chunking import Blocks
from components.train.tensors import disk_words

LOSS_FILE = "loss.json"


class Shape(BaseModel):
    """Size of a model that is made from scratch."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hidden: Annotated[int, Field(gt=0)] = 128
    """Width."""
    layers: Annotated[int, Field(gt=0)] = 2
    """Depth."""
    heads: Annotated[int, Field(gt=0)] = 4
    """Attention heads."""
    mlp_ratio: Annotated[int, Field(gt=0)] = 2
    """Width of the feed-forward part relative to `hidden`."""
    context_tokens: Annotated[int, Field(gt=0)] = 512
    """Longest input."""
    initial_range: Annotated[float, Field(gt=0.0)] = 0.05
    """Standard deviation of the initial weights."""


def new_model(shape: Shape, tokenizer: Any, seed: int) -> Any:
    """A Llama of the given shape with weights drawn from `seed`."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.hidden * shape.mlp_ratio,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context_tokens,
        initializer_range=shape.initial_range,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def load(folder: Path, device: str | None = None) -> tuple[Any, Any]:
    """A checkpoint's model and tokenizer, in fp32.

    Args:
        folder: The checkpoint's.
        device: Where the model goes; None = to a GPU where there is one.

    Raises:
        TouchstoneError: the folder does not hold a causal LM that transformers can load, or its weights or tokenizer
            are not those of the model that its configuration describes.
    """
    expected = "a Hugging Face causal LM: config.json, model.safetensors and a tokenizer"
    with _quietly():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            found = (str(error) or type(error).__name__).splitlines()[0]
            raise TouchstoneError(f"{folder} cannot be loaded: {found}", expected=expected) from error
    _check_weights(folder, report)
    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.vocab_size > rows:
        raise TouchstoneError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size:,} tokens of its own, and the embedding {rows:,} rows",
            expected="tokenizer and weights of one model",
            remedy="put the tokenizer's files into the folder that these weights were saved with",
        )
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")), tokenizer


def _check_weights(folder: Path, report: Mapping[str, Any]) -> None:
    """Refuse what transformers fills with random numbers and only logs."""
    if wrong := sorted(report.get("mismatched_keys") or ()):
        name, found, wanted = wrong[0]
        raise TouchstoneError(
            f"{folder}: {name} has the shape {list(found)}",
            expected=f"{list(wanted)}, by its config.json",
            remedy="give the config.json that these weights were saved with",
        )
    if missing := sorted(report["missing_keys"]):
        others = f" and {len(missing) - 2} others" if len(missing) > 2 else ""
        raise TouchstoneError(
            f"{folder} lacks the weights of {', '.join(missing[:2])}{others}",
            expected="every weight of the model that its config.json describes",
            remedy="give the checkpoint of that architecture, with all of its shards",
        )


def check_context(model: Any, blocks: Blocks) -> None:
    """Refuse texts that are longer than what the model reads: beyond it are positions that it has never seen.

    Raises:
        UsageError: a document, or a joined block, is longer.
    """
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = int(blocks.positions.max()) + 1
    if limit is not None and longest > int(limit):
        raise UsageError(
            f"a text of {longest:,} tokens in one block, and the base reads {limit:,}",
            expected=f"block_tokens of at most {limit:,} in the recipe; longer dialogues go on in the next block",
            remedy=f"set block_tokens: {limit}",
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' table of weights, which we tell ourselves, and its bars where there is no terminal."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def save(folder: Path, model: Any, tokenizer: Any, losses: Mapping[str, Sequence[float]]) -> None:
    """Write weights as safetensors, configuration, tokenizer with chat template, and the loss of every step.

    Raises:
        OSError: the disk is full or may not be written.
    """
    with _quietly(), disk_words(folder):
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    rounded = {name: [round(value, 5) for value in values] for name, values in losses.items()}
    (folder / LOSS_FILE).write_text(json.dumps(rounded) + "\n", encoding="utf-8")
