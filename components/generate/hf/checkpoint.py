"""Loading a causal LM from a local folder, with everything that can be wrong with it said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from components.contracts.errors import TouchstoneError, UsageError
from components.generate.hf.memory import is_out_of_memory

EXPECTED = "a Hugging Face causal LM: config.json, model.safetensors and a tokenizer"
SAME_LOGITS = 1e-3
"""Largest difference, relative to the largest logit, that rounding may make of a token that is to have no effect."""


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


def dtype_of(name: str) -> torch.dtype | str:
    """A data type by its name in parameters; auto stays auto, the checkpoint's own."""
    found = getattr(torch, name) if name != "auto" else name
    assert isinstance(found, torch.dtype | str)
    return found


def load(
    folder: Path | str, device: str = "", *, dtype: torch.dtype | str = torch.float32, plain_chat: str = ""
) -> LoadedModel:
    """Load model and tokenizer from `folder`; nothing is fetched and no code in the folder is executed.

    Args:
        folder: A Hugging Face directory.
        device: Such as cpu or cuda:1; empty = a GPU where there is one.
        dtype: Of the weights; auto = the checkpoint's own.
        plain_chat: As `LoadedModel.plain_chat`.

    Raises:
        TouchstoneError: the folder does not hold a causal LM that transformers can load, weights are missing, of
            another shape or not numbers, or it does not fit the device.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with loading(folder, EXPECTED):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        _check_architecture(folder, config)
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, dtype=dtype
        )
    check_weights(folder, report)
    _check_vocabulary(folder, model, tokenizer)
    model = placed(folder, model, where)
    _check_causal(folder, model, where)
    return LoadedModel(model, tokenizer, where, plain_chat)


def skeleton(folder: Path | str, *, plain_chat: str = "") -> LoadedModel:
    """Tokenizer and shape of a model without its weights, for a process that only plans.

    Raises:
        TouchstoneError: the folder does not describe a causal LM.
    """
    with loading(folder, EXPECTED):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        _check_architecture(folder, config)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    return LoadedModel(model.eval(), tokenizer, torch.device("meta"), plain_chat)


@contextmanager
def loading(folder: Path | str, expected: str) -> Iterator[None]:
    """What transformers raises while it loads, in our terms; its progress bar only on a terminal.

    Raises:
        TouchstoneError: instead.
    """
    level, quiet = logging.get_verbosity(), not sys.stderr.isatty() and logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # its table of missing weights: we say it ourselves
    if quiet:
        logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise _too_large(folder, "this machine") from error
        adapter = (Path(folder) / "adapter_config.json").is_file()
        raise TouchstoneError(
            f"{folder} cannot be loaded: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected=expected,
            remedy="merge the adapter into its base model and give the result" if adapter else "",
        ) from error
    finally:
        logging.set_verbosity(level)
        if quiet:
            logging.enable_progress_bar()


def check_weights(folder: Path | str, report: Any) -> None:
    """Refuse what transformers fills with random numbers, or leaves so, and only logs.

    Raises:
        TouchstoneError: weights are missing or of another shape.
    """
    if wrong := sorted(report.get("mismatched_keys") or ()):
        name, found, wanted = wrong[0]
        others = f", and {len(wrong) - 1} others differ too" if len(wrong) > 1 else ""
        raise TouchstoneError(
            f"{folder}: {name} has the shape {list(found)}{others}",
            expected=f"{list(wanted)}, by its config.json",
            remedy="give the config.json that these weights were saved with, or save the checkpoint again",
        )
    if missing := sorted(report["missing_keys"]):
        raise TouchstoneError(
            f"{folder} lacks the weights of {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}",
            expected="a checkpoint with every weight of the model its config.json describes",
            remedy="save the checkpoint again, all of its shards and with the model class that config.json names",
        )


def placed(folder: Path | str, model: Any, where: torch.device) -> Any:
    """The model on its device, in evaluation mode, its weights looked through.

    Raises:
        TouchstoneError: it does not fit, or a weight is not a number.
    """
    try:
        model = model.to(where).eval()
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise _too_large(folder, str(where)) from error
        raise UsageError(
            f"device {where}: {str(error).splitlines()[0]}",
            expected="a device of this machine",
            remedy="see nvidia-smi",
        ) from error
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise TouchstoneError(
                f"{folder}: {name} holds NaN or infinite numbers",
                expected="finite weights",
                remedy="training diverged, or the data type is too narrow for it: give an earlier checkpoint",
            )
    return model


def _too_large(folder: Path | str, where: str) -> TouchstoneError:
    return TouchstoneError(
        f"{folder} does not fit into the memory of {where}",
        expected="memory for all weights on each device",
        remedy="use dtype bfloat16, a larger device, or backend vllm, which can spread a model over several GPUs",
    )


def _check_architecture(folder: Path | str, config: Any) -> None:
    named = list(getattr(config, "architectures", None) or ())
    causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    # A bare model (LlamaModel) may lack nothing, its output being its input transposed; a wrong head is never right.
    wrong = [name for name in named if "For" in name and name not in causal and not name.endswith("ForCausalLM")]
    if wrong or getattr(config, "is_encoder_decoder", False):
        raise TouchstoneError(
            f"{folder} holds {', '.join(named) or config.model_type}",
            expected="a causal LM (an architecture whose name ends in ForCausalLM or LMHeadModel)",
            remedy="give the language model itself; text classifiers go to the step classify",
        )


def _check_vocabulary(folder: Path | str, model: Any, tokenizer: Any) -> None:
    size = int(model.get_input_embeddings().weight.shape[0])
    token, largest = max(tokenizer.get_vocab().items(), key=lambda pair: int(pair[1]))
    if largest >= size:
        raise TouchstoneError(
            f"{folder}: the tokenizer's {token!r} has the id {largest}, and the model knows {size} tokens",
            expected="a tokenizer whose ids the model has",
            remedy="give the tokenizer that belongs to the model, or save the model after "
            "model.resize_token_embeddings(len(tokenizer))",
        )


def _check_causal(folder: Path | str, model: Any, where: torch.device) -> None:
    """Refuse a model whose prediction after a token depends on later ones, such as a BERT loaded as a decoder."""
    ids = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4]], device=where) % model.get_input_embeddings().weight.shape[0]
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[:, :3].float()
    largest = float(logits.abs().max())
    if float((logits[0] - logits[1]).abs().max()) > SAME_LOGITS * max(1.0, largest):
        raise TouchstoneError(
            f"{folder}: what {type(model).__name__} predicts after a token depends on the tokens that follow",
            expected="a causal LM",
            remedy="give a decoder; a BERT-like model needs is_decoder in its config.json and training as such",
        )
