"""Making, loading and saving models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from components.contracts.errors import TouchstoneError

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
        TouchstoneError: the folder does not hold a causal LM that transformers can load.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise TouchstoneError(
            f"{folder} cannot be loaded: {str(error).splitlines()[0]}",
            expected="a Hugging Face causal LM: config.json, model.safetensors and a tokenizer",
        ) from error
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")), tokenizer


def save(folder: Path, model: Any, tokenizer: Any, losses: Mapping[str, Sequence[float]]) -> None:
    """Write weights as safetensors, configuration, tokenizer with chat template, and the loss of every step."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    rounded = {name: [round(value, 5) for value in values] for name, values in losses.items()}
    (folder / LOSS_FILE).write_text(json.dumps(rounded) + "\n", encoding="utf-8")
