"""Loading a causal LM from a local folder, with everything that can be wrong with it said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from components.contracts.errors import TouchstoneError


@dataclass(frozen=True)
class LoadedModel:
    """A model on its device, with its tokenizer."""

    model: Any
    """transformers causal LM, in evaluation mode."""
    tokenizer: Any
    device: torch.device
    plain_chat: str = ""
    """How a message is put to a checkpoint without chat template; {prompt} is filled in. Empty = chats are refused."""

    @property
    def context_tokens(self) -> int | None:
        """Longest input the model was made for; None = it names no limit."""
        limit = getattr(self.model.config, "max_position_embeddings", None)
        return int(limit) if limit is not None else None


def load(folder: Path, device: str = "", *, dtype: torch.dtype = torch.float32, plain_chat: str = "") -> LoadedModel:
    """Load model and tokenizer from `folder`; nothing is fetched and no code in the folder is executed.

    Args:
        folder: A Hugging Face directory.
        device: Such as cpu or cuda:1; empty = a GPU where there is one.
        dtype: Of the weights.
        plain_chat: As `LoadedModel.plain_chat`.

    Raises:
        TouchstoneError: the folder does not hold a causal LM that transformers can load.
    """
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        loaded = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=dtype
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TouchstoneError(
            f"{folder} cannot be loaded: {str(error).splitlines()[0]}",
            expected="a Hugging Face causal LM: config.json, model.safetensors and a tokenizer",
        ) from error
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        # transformers fills them with random numbers and only logs it.
        raise TouchstoneError(
            f"{folder} lacks the weights of {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}",
            expected="a checkpoint with every weight of the model its config.json describes",
        )
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return LoadedModel(model.to(where).eval(), tokenizer, where, plain_chat)
