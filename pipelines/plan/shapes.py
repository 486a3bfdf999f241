"""What a model is made of, from its configuration alone: nothing of it is loaded, no weight is ever there."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from components.contracts.errors import TouchstoneError
from components.train.mitigations.params import Lora

NEW_ROWS = 3
"""Role tokens, whose rows are trained beside adapters."""


class Shape(NamedTuple):
    """Parameters of a causal LM, and where they are."""

    architecture: str
    parameters: int
    """All of them; tied ones once."""
    body: int
    """Those that a token is multiplied with: all but the tables of tokens and positions, the head, and experts that it
    is not sent to."""
    idle: int
    """Those of experts that a token is not sent to."""
    head: int
    """Of the projection onto the vocabulary, tied to the table or not."""
    outside: int
    """Those of no layer: tables, head, last norm."""
    largest_layer: int
    """Of the layer with the most."""
    layers: int
    hidden: int
    """Width of the residual stream."""
    attention_width: int
    """Width of all heads of a layer together."""
    vocabulary: int
    context: int | None
    """Longest input; None where the configuration names none."""
    adapted: int
    """Rows and columns of every linear layer but the output, together: the parameters of adapters of rank 1."""
    tables: int
    """Matrices with a row for each token: one where they are tied, else two."""


def read_config(place: Path) -> Any:
    """A model's configuration, from its folder or its config.json.

    Raises:
        TouchstoneError: there is none, it cannot be read, or the installed transformers does not know it.
    """
    from transformers import AutoConfig

    path = place / "config.json" if place.is_dir() else place
    if not path.is_file():
        raise TouchstoneError(f"there is no {path}", expected="a Hugging Face checkpoint's folder or its config.json")
    try:
        return AutoConfig.from_pretrained(str(path), local_files_only=True)
    # transformers raises what it meets: a missing key, a wrong type, its own strict checks, undecodable bytes.
    except Exception as error:
        raise _not_planned(path, error) from error


def shape(config: Any, place: Path) -> Shape:
    """Count a model's parameters on torch's meta device.

    Raises:
        TouchstoneError: transformers has no causal LM of this configuration.
    """
    import torch

    from components.train.speed import idle_experts

    model = _model(config, place, torch.device("meta"))
    sizes = {id(p): p.numel() for p in model.parameters()}
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    head, idle = model.get_output_embeddings(), idle_experts(model)
    head_id = id(head.weight) if head is not None else 0
    layers = _layers(model)
    in_layers = [{id(p): p.numel() for p in layer.parameters()} for layer in layers]
    text = config.get_text_config()
    heads = int(text.num_attention_heads)
    limit = getattr(text, "max_position_embeddings", None)
    return Shape(
        architecture=type(model).__name__,
        parameters=sum(sizes.values()),
        body=sum(size for key, size in sizes.items() if key not in tables and key != head_id) - idle,
        idle=idle,
        head=sizes.get(head_id, 0),
        outside=sum(sizes.values()) - sum(sum(layer.values()) for layer in in_layers),
        largest_layer=max((sum(layer.values()) for layer in in_layers), default=0),
        layers=len(layers),
        hidden=int(text.hidden_size),
        attention_width=heads * int(getattr(text, "head_dim", None) or text.hidden_size // heads),
        vocabulary=int(text.vocab_size),
        context=int(limit) if limit else None,
        adapted=sum(sum(m.weight.shape) for m in model.modules() if _is_adapted(m) and m is not head),
        tables=1 if head is None or head.weight is model.get_input_embeddings().weight else 2,
    )


def _is_adapted(module: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, torch.nn.Linear | Conv1D)


def activations(config: Any, place: Path, block_tokens: int, precision: str, lora: Lora | None = None) -> int:
    """Bytes that a block leaves for the backward pass, up to the last layer's output, beside the parameters.

    Blocks of tensors without memory are passed through the model, and every tensor that torch would save is seen, each
    storage once. Of two sizes the difference is taken: the rest, such as copies of the weights in bf16, does not grow.
    Attention's dropout is left out: accelerators' kernels draw it again, and a CPU's would keep all T x T weights.

    Args:
        config: Of the model.
        place: Where it was read, for the message.
        block_tokens: T.
        precision: bfloat16 (fp32 weights, products in bf16) or float32.
        lora: Adapters that are trained in place of the weights.

    Raises:
        TouchstoneError: the model cannot be passed through without its weights.
    """
    one, two = (_kept(config, place, rows, block_tokens, precision) for rows in (1, 2))
    return two - one + (_kept_by_adapters(config, place, block_tokens, precision, lora) if lora is not None else 0)


def _kept_by_adapters(config: Any, place: Path, block_tokens: int, precision: str, lora: Lora) -> int:
    """Bytes a block: what lies between an adapter's two matrices, and, with dropout, what is dropped and its mask.

    The layer's own input, which a frozen matrix needs no more, is its adapter's.
    """
    import torch

    model = _model(config, place, torch.device("meta"))
    head, size = model.get_output_embeddings(), 2 if precision == "bfloat16" else 4
    inner = [m for m in model.modules() if _is_adapted(m) and m is not head]
    inputs = sum(m.weight.shape[1 if isinstance(m, torch.nn.Linear) else 0] for m in inner) if lora.dropout else 0
    return block_tokens * (lora.rank * size * len(inner) + inputs * (size + 1))


def _kept(config: Any, place: Path, rows: int, block_tokens: int, precision: str) -> int:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from components.train.documents import attention_within, may_be_flat

    config = copy.deepcopy(config)
    for name in {"attn_pdrop", "attention_dropout"} & set(vars(config)):
        setattr(config, name, 0.0)
    with FakeTensorMode(), _experts_by_shape(config):
        model = _model(config, place, torch.device("cpu")).train()
        own = {part.untyped_storage()._cdata for part in [*model.parameters(), *model.buffers()]}
        kept: dict[int, Any] = {}

        def pack(tensor: Any) -> Any:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept[storage._cdata] = storage  # held, so that its address is not given out again
            return tensor

        flat = may_be_flat(model, block_tokens)
        shape = (1, rows * block_tokens) if flat else (rows, block_tokens)
        tokens = torch.zeros(shape, dtype=torch.long)
        positions = torch.arange(block_tokens).repeat(rows).view(shape)
        mixed = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16")
        complaints = logging.getLogger("torch._subclasses.fake_tensor")
        complaints.disabled = True  # our message below says it
        try:
            keeping = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
            # As `train` does it: each document attends to itself, and no mask is kept.
            with attention_within(model, [block_tokens] * rows if flat else []), keeping, mixed:
                model.get_decoder()(input_ids=tokens, position_ids=positions, use_cache=False)
        except Exception as error:  # whatever an architecture does that needs real numbers
            raise TouchstoneError(
                f"{place}: what {type(model).__name__} keeps for the backward pass cannot be counted without weights",
                expected="an architecture whose shapes do not hang on what it reads",
                remedy="plan with the configuration of a dense model of like size",
            ) from error
        finally:
            complaints.disabled = False
        return sum(storage.nbytes() for storage in kept.values())


@contextmanager
def _experts_by_shape(config: Any) -> Iterator[None]:
    """Within, experts are one product over all tokens, sorted by expert, as on accelerators; its size needs no numbers.

    transformers does it so on a GPU; on a CPU it copies every token's experts, or looks which are chosen. Of its two
    ways of making that product one knows its shape without a kernel.
    """
    from transformers.integrations import moe

    from components.train.speed import CHOSEN

    if not any(getattr(config.get_text_config(), name, None) for name in CHOSEN):
        yield
        return
    config._experts_implementation = "grouped_mm"
    able = moe._can_use_grouped_mm
    moe._can_use_grouped_mm = lambda *_: False
    try:
        yield
    finally:
        moe._can_use_grouped_mm = able


def _model(config: Any, place: Path, device: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with device, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    except Exception as error:
        raise _not_planned(place, error) from error


def _layers(model: Any) -> list[Any]:
    """The repeated part: the longest list of modules."""
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=[]))


def _not_planned(path: Path, error: Exception) -> TouchstoneError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return TouchstoneError(
        f"{path} cannot be planned for: {lines[0][:300]}",
        expected="the configuration of a causal LM that the installed transformers knows",
        remedy="give the config.json of a Hugging Face checkpoint, whole and with its model_type; for an architecture"
        " that transformers does not know, that of a like model",
    )
