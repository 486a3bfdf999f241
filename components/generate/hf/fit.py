"""Whether a model's keys and values can live in slots, and how many rows the device holds."""

from __future__ import annotations

import logging
import sys
import weakref
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from components.contracts.errors import TouchstoneError
from components.generate.hf.memory import is_out_of_memory
from components.generate.hf.slots import Slots
from components.generate.hf.steps import Steps, read_prompts

LOG = logging.getLogger(__name__)
PROBE = ((5, 3, 7, 1, 6, 2), (4, 8, 2))
"""Two rows of unlike length, by token; small numbers, which every vocabulary has."""

_PROBED: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_SAID: weakref.WeakSet[Any] = weakref.WeakSet()


def why_not_slots(model: Any, num_columns: int) -> str:
    """Why rows of `num_columns` tokens cannot live in slots; empty = they can.

    Beside the cache's structure this tries: rows of unlike lengths run in slots must give the logits that they give
    alone. So an architecture that reads positions or masks in a way of its own is found out, whatever its name.
    """
    reason = _structure(model, num_columns)
    if not reason:
        if model not in _PROBED:
            _PROBED[model] = _probe(model)
        reason = _PROBED[model]
    if reason and model not in _SAID:
        _SAID.add(model)
        LOG.warning("%s: %s; completions go the plain, slower way", type(model).__name__, reason)
    return reason


def num_layers(model: Any) -> int:
    """Layers that a cache of the model has."""
    return len(DynamicCache(config=model.config).layers)


def bytes_per_token(model: Any) -> int:
    """Size of one token's keys and values: 2 x layers x key-value heads x head size x bytes of a number.

    The head size is `head_dim`, or hidden size / attention heads where the config names none (Vaswani et al. 2017;
    fewer key-value heads: Ainslie et al. 2023, grouped queries).
    """
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_attention_heads", None) or 1
    size = getattr(config, "head_dim", None) or getattr(config, "hidden_size", 0) // heads
    pairs = getattr(config, "num_key_value_heads", None) or heads
    layers = getattr(config, "num_hidden_layers", 0)
    return int(2 * layers * pairs * size * torch.finfo(model.dtype).bits // 8)


def _structure(model: Any, num_columns: int) -> str:
    if not getattr(model, "_supports_default_dynamic_cache", lambda: False)() or getattr(model, "_is_stateful", False):
        return "its state is not keys and values of tokens"
    if (attention := model.config._attn_implementation) not in ("sdpa", "eager"):
        return f"its attention ({attention}) takes no mask for each row"
    local = {"attention_types", "attention_layers"} & set(vars(model.config))
    if local and "local" in str([getattr(model.config, name) for name in local]):
        return "some of its layers attend to a window only"
    config = model.config.get_text_config(decoder=True)
    if num_columns > (limit := _rotated_alike(config)):
        return f"it rotates positions otherwise once one row has more than {limit} tokens"
    for layer in DynamicCache(config=model.config).layers:
        if type(layer) is DynamicSlidingWindowLayer:
            if num_columns > layer.sliding_window:
                return f"its sliding window of {layer.sliding_window} tokens is shorter than a row of {num_columns}"
        elif type(layer) is not DynamicLayer:
            return f"its cache has layers of kind {type(layer).__name__}"
    return ""


def _rotated_alike(config: Any) -> int:
    """Columns up to which the rotation of positions does not depend on the longest row there is."""
    ropes = getattr(config, "rope_parameters", None) or {}
    limits = [sys.maxsize]
    # One rotation, or one for each kind of layer.
    for rope in [ropes, *(part for part in ropes.values() if isinstance(part, dict))]:
        if rope.get("rope_type") in ("dynamic", "longrope"):
            named = rope.get("original_max_position_embeddings")
            limits.append(named or getattr(config, "original_max_position_embeddings", config.max_position_embeddings))
    return min(limits)


@torch.inference_mode()
def _probe(model: Any) -> str:
    try:
        found, expected = _ragged(model), _alone(model)
    except TouchstoneError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return f"it cannot run in slots ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
    # In 16 bits two ways of adding differ by some per cent; a wrong mask or position by far more.
    allowed = 1e-3 if torch.finfo(model.dtype).bits >= 32 else 0.1
    off = float((found - expected).norm() / expected.norm().clamp(min=1e-9))
    # Weights that are not numbers give NaN either way: rows are then answered as such, in slots as well.
    return f"in slots its logits come out {off:.1%} different" if off > allowed else ""


def _alone(model: Any) -> Any:
    rows = [model(input_ids=torch.tensor([row], device=model.device), use_cache=False).logits[0, -1] for row in PROBE]
    return torch.stack(rows).float()


def _ragged(model: Any) -> Any:
    device, first = model.device, [len(row) - 1 for row in PROBE]
    slots = Slots(num_layers(model), len(PROBE), max(map(len, PROBE)) + 1)
    slots.expect_prompts(0, 0)
    ids = torch.zeros((len(PROBE), max(first)), dtype=torch.long, device=device)
    for at, row in enumerate(PROBE):
        ids[at, : first[at]] = torch.tensor(row[:-1])
    read_prompts(model, slots, ids, 0)
    tokens, positions = torch.tensor([row[-1] for row in PROBE]), torch.tensor(first)
    return Steps(model, slots)(tokens, positions, max(first) + 1).float()
