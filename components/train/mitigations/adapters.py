"""Low-rank adapters by peft, with the rows of the role tokens trained as well; merged into a plain model at the end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from transformers.pytorch_utils import Conv1D

from components.contracts.errors import TouchstoneError
from components.train.mitigations.params import Lora


def adapted(model: Any, lora: Lora, rows: Sequence[int]) -> Any:
    """`model` with adapters on its linear layers; it is changed in place and lies inside what is given back.

    Args:
        model: Any causal LM that peft knows.
        lora: Rank and scale.
        rows: Tokens whose embeddings are trained, and their rows of the output where that is a matrix of its own: the
            base has never seen role tokens, and an imitator must read and write them.

    Raises:
        TouchstoneError: peft is not installed, or cannot adapt this architecture.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise TouchstoneError(
            "low-rank adapters need peft, which is not installed", remedy="pip install 'touchstone-audit[train]'"
        ) from error
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        trainable_token_indices={name: list(rows) for name in _tables(model)},
        # GPT-2 keeps its matrices the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    with warnings.catch_warnings():
        # peft 0.21 asks transformers for a property by the name it had before 5.20.
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing")
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            raise TouchstoneError(
                f"peft cannot adapt {type(model).__name__}: {str(error).splitlines()[0]}",
                expected="a causal LM with linear layers",
            ) from error


def merged(model: Any) -> Any:
    """The plain model with what was learned added to its matrices: W + alpha / r * B A."""
    return model.merge_and_unload()


def _tables(model: Any) -> list[str]:
    """Names of the modules that hold the tokens' rows; tied ones once."""
    read, written = model.get_input_embeddings(), model.get_output_embeddings()
    wanted = [read] if written is None or written.weight is read.weight else [read, written]
    return [name for name, module in model.named_modules() if any(module is table for table in wanted)]
