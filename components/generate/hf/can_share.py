"""Whether a model can read many rows after one prefix, found out by trying, and said once where it cannot."""

from __future__ import annotations

import math
import sys
import weakref
from typing import Any

import torch
from tqdm import tqdm
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.memory import is_out_of_memory
from components.generate.hf.packed_attention import CannotShareError
from components.generate.hf.reading import Reader, branching, whole

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
"""Largest difference of a log-probability between sharing and not, relative to its size (at least 1)."""
TOLERANCE_HALF = 0.05

_tried: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_told: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def longest_shared(loaded: LoadedModel, longest: int) -> int:
    """Longest input in tokens that may be split into a prefix and what follows; 0 = none.

    Why an input must be read whole is said once per model.

    Args:
        loaded: The model.
        longest: Tokens of the longest input there is.
    """
    model = loaded.model
    if model not in _tried:
        _tried[model] = _why_never(loaded)
    if reason := _tried[model]:
        _tell(model, f"reads whole prompts, which is slower: {reason}")
        return 0
    for limit, reason in _length_limits(model.config.get_text_config()):
        if longest > limit:
            _tell(model, f"reads prompts of more than {limit} tokens whole, which is slower: {reason}")
            longest = limit
    return longest


def _tell(model: Any, what: str) -> None:
    told = _told.setdefault(model, set())
    if what not in told:
        told.add(what)
        tqdm.write(f"{type(model).__name__} {what}", file=sys.stderr)


def _length_limits(config: Any) -> list[tuple[int, str]]:
    """A window, or a rotation that changes with the input's length, is no hindrance to inputs below it."""
    layers = DynamicCache(config=config).layers
    found = [(layer.sliding_window, "it sees a sliding window") for layer in layers if getattr(layer, "is_sliding", 0)]
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in [ropes, *(part for part in ropes.values() if isinstance(part, dict))]:
        if rope.get("rope_type") in ("longrope", "dynamic"):
            own = getattr(config, "original_max_position_embeddings", None) or config.max_position_embeddings
            limit = rope.get("original_max_position_embeddings") or own
            found.append((int(limit), "it rotates positions otherwise in longer inputs"))
    return found


def _why_never(loaded: LoadedModel) -> str:
    try:
        layers = DynamicCache(config=loaded.model.config).layers
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        return f"it has no cache of keys and values ({error})"
    if not all(type(layer) is DynamicLayer or getattr(layer, "is_sliding", False) for layer in layers):
        return "some of its layers keep a state that cannot be cut"
    try:
        difference = _difference(loaded)
    except CannotShareError as error:
        return str(error)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise  # says nothing of the model: the engine makes room and asks again
        return f"it cannot read rows laid end to end ({str(error).splitlines()[0]})"
    tolerance = TOLERANCE.get(loaded.model.dtype, TOLERANCE_HALF)
    if difference > tolerance:
        return f"sharing a prefix changed a log-probability by {difference:.1e}"
    return ""


def _difference(loaded: LoadedModel) -> float:
    """Largest relative difference between log-probabilities with and without sharing, on a few tokens."""
    size = int(loaded.model.get_input_embeddings().weight.shape[0])
    drawn = tuple(torch.randint(size, (12,), generator=torch.Generator().manual_seed(0)).tolist())
    # 8 tokens at most: a longer input would go beyond the window of some small models.
    prefix, stems, tails = drawn[:3], (drawn[3:5], drawn[5:8]), (drawn[8:11], drawn[10:12])
    shared, single = Reader(loaded, 0), Reader(loaded, 0)
    rows = [branching(stem, [((s, t), tail) for t, tail in enumerate(tails)]) for s, stem in enumerate(stems)]
    shared.packed(rows, len(prefix), shared.prefix(prefix))
    single.padded([whole(prefix + stem, (s, t), tail) for s, stem in enumerate(stems) for t, tail in enumerate(tails)])
    pairs = [(shared.values[key], value) for key, value in single.values.items()]
    # Not a number on both sides is the model's own doing, and no reason against sharing.
    numbers = [(one, other) for one, other in pairs if math.isfinite(other)]
    if not all(math.isfinite(one) for one, _ in numbers):
        return math.inf
    return max((abs(one - other) / max(1.0, abs(other)) for one, other in numbers), default=0.0)
