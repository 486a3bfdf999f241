"""A training set down in the middle: weights, the optimizer's moments, losses, and where the random numbers are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

from components.contracts.ports import Folder

WEIGHTS, MOMENTS, REST = "weights.safetensors", "moments.safetensors", "training.json"


class TrainingState(Folder):
    """Everything a training needs to go on bit for bit: one process, the same device and number of threads."""


class Taken(NamedTuple):
    """A state in memory, of its own: training may go on while it is written."""

    weights: Mapping[str, Any]
    moments: Mapping[str, Any]
    rest: Mapping[str, Any]

    @property
    def num_bytes(self) -> int:
        """Size of the tensors."""
        return sum(part.numel() * part.element_size() for part in (*self.weights.values(), *self.moments.values()))


def take(model: Any, optimizer: Any, losses: list[float]) -> Taken:
    """Copy the state out of a running training. Tied weights are copied once."""
    weights: dict[str, Any] = {}
    seen: set[int] = set()
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen or not value.numel():
            seen.add(value.data_ptr())
            weights[name] = value.detach().to("cpu", copy=True).contiguous()
    moments: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for index, fields in optimizer.state_dict()["state"].items():
        for field, value in fields.items():
            if isinstance(value, torch.Tensor):
                moments[f"{index}.{field}"] = value.detach().to("cpu", copy=True).contiguous()
            else:
                numbers[f"{index}.{field}"] = value
    rest = {"losses": list(losses), "numbers": numbers, "random": torch.get_rng_state().numpy().tobytes().hex()}
    if torch.cuda.is_available():
        rest["random_cuda"] = torch.cuda.get_rng_state().numpy().tobytes().hex()
    return Taken(weights, moments, rest)


def writer(taken: Taken) -> Callable[[Path], None]:
    """What puts a state's files into a folder."""

    def write(folder: Path) -> None:
        save_file(dict(taken.weights), folder / WEIGHTS)
        save_file(dict(taken.moments), folder / MOMENTS)
        (folder / REST).write_text(json.dumps(taken.rest), encoding="utf-8")

    return write


def restore(folder: Path, model: Any, optimizer: Any) -> list[float]:
    """Put a state back; gives the losses so far, one a step.

    Args:
        folder: A `TrainingState`.
        model: As it was when the training began; only its weights are replaced.
        optimizer: Made anew over the model's parameters.
    """
    model.load_state_dict(load_file(folder / WEIGHTS, device=str(model.device)), strict=False)
    rest = json.loads((folder / REST).read_text(encoding="utf-8"))
    state: dict[int, dict[str, Any]] = {}
    for key, value in (load_file(folder / MOMENTS) | rest["numbers"]).items():
        index, field = key.split(".", 1)
        state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(_random(rest["random"]))
    if torch.cuda.is_available() and "random_cuda" in rest:
        torch.cuda.set_rng_state(_random(rest["random_cuda"]))
    return list(rest["losses"])


def _random(text: str) -> Any:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
