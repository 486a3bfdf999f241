"""A training set down in the middle: weights, the optimizer's moments, its steps, and where the random numbers are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

from components.contracts.ports import Folder
from components.train.course import Step, as_json, from_json
from components.train.engines.group import current
from components.train.engines.shards import gathered, local, shared_out
from components.train.engines.skeleton import named_weights
from components.train.engines.zero import SharedState
from components.train.tensors import write as write_tensors

WEIGHTS, MOMENTS, REST = "weights.safetensors", "moments.safetensors", "training.json"


class TrainingState(Folder):
    """Everything a training needs to go on bit for bit: the same number of processes and threads, the same devices.

    On another number of processes it goes on within float noise."""


class Taken(NamedTuple):
    """A state in memory, of its own: training may go on while it is written."""

    weights: Mapping[str, Any]
    moments: Mapping[str, Any]
    rest: Mapping[str, Any]

    @property
    def num_bytes(self) -> int:
        """Size of the tensors."""
        return sum(part.numel() * part.element_size() for part in (*self.weights.values(), *self.moments.values()))


def take(model: Any, optimizer: Any, steps: Sequence[Step]) -> Taken:
    """Copy the state out of a running training. Tied weights are copied once.

    All processes of a training call it, and the chief gets everything, whole: the state does not tell how many there
    were. The others get names without tensors.
    """
    if isinstance(optimizer, SharedState):
        weights = optimizer.weights(model)
        moments, numbers = optimizer.moments()
    else:
        weights = {name: gathered(value) for name, value in changing(model).items()}
        moments, numbers = _moments(optimizer)
    rest = {"steps": as_json(steps), "numbers": numbers, "random": torch.get_rng_state().numpy().tobytes().hex()}
    if torch.cuda.is_available():
        rest["random_cuda"] = torch.cuda.get_rng_state().numpy().tobytes().hex()
    return Taken(weights, moments, rest)


def _moments(optimizer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Moments whole in the chief, and numbers beside them, by `index.field`."""
    moments: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for index, fields in optimizer.state_dict()["state"].items():
        for field, value in fields.items():
            if isinstance(value, torch.Tensor):
                moments[f"{index}.{field}"] = gathered(value)
            else:
                numbers[f"{index}.{field}"] = value
    return moments, numbers


def writer(taken: Taken) -> Callable[[Path], None]:
    """What puts a state's files into a folder."""

    def write(folder: Path) -> None:
        write_tensors(taken.weights, folder / WEIGHTS)
        write_tensors(taken.moments, folder / MOMENTS)
        (folder / REST).write_text(json.dumps(taken.rest), encoding="utf-8")

    return write


def restore(folder: Path | None, model: Any, optimizer: Any) -> list[Step]:
    """Put a state back; gives the steps that were made.

    Args:
        folder: A `TrainingState`; None in all processes but the chief, who shares it out.
        model: As it was when the training began; only its weights are replaced.
        optimizer: Made anew over the model's parameters.
    """
    group = current()
    rest = group.hear(json.loads((folder / REST).read_text(encoding="utf-8")) if folder is not None else None)
    if isinstance(optimizer, SharedState):
        _take_apart(folder, model, optimizer, rest["numbers"])
    else:
        _put_back(folder, model, optimizer, rest["numbers"])
    torch.set_rng_state(_random(rest["random"]))
    if torch.cuda.is_available() and "random_cuda" in rest:
        torch.cuda.set_rng_state(_random(rest["random_cuda"]))
    return from_json(rest["steps"])


def changing(model: Any) -> dict[str, Any]:
    """What a state holds of a model: not the frozen weights under adapters, which are the base's."""
    frozen = {id(p) for p in model.parameters() if not p.requires_grad}
    return {name: value for name, value in named_weights(model).items() if id(value) not in frozen}


def _put_back(folder: Path | None, model: Any, optimizer: Any, numbers: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    if current().alone:
        assert folder is not None
        # safetensors knows no XLA device; the copy below does.
        where = "cpu" if model.device.type == "xla" else str(model.device)
        model.load_state_dict(load_file(folder / WEIGHTS, device=where), strict=False)
        found = load_file(folder / MOMENTS)
    else:
        _share_weights(folder, model)
        found = _share_moments(folder, optimizer)
    for key, value in (found | dict(numbers)).items():
        index, field = key.split(".", 1)
        state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@torch.no_grad()
def _take_apart(folder: Path | None, model: Any, shared: SharedState, numbers: Mapping[str, Any]) -> None:
    """One whole tensor at a time goes to all processes, and each takes its pieces."""
    index = shared.index_of(model)
    kept = load_file(folder / WEIGHTS) if folder is not None else {}
    kept = {f"{index[name]}.": value for name, value in kept.items() if name in index}
    kept |= load_file(folder / MOMENTS) if folder is not None else {}
    for key, shape, dtype in current().hear([(key, value.shape, value.dtype) for key, value in kept.items()]):
        whole = shared_out(torch.empty(shape, dtype=dtype, device=model.device), kept.get(key))
        at, field = key.split(".", 1)
        if field:
            shared.put_moment(int(at), field, whole)
        else:
            shared.put_weight(int(at), whole.reshape(-1))
    for key, value in numbers.items():
        at, field = key.split(".", 1)
        shared.put_moment(int(at), field, value)


@torch.no_grad()
def _share_weights(folder: Path | None, model: Any) -> None:
    kept = load_file(folder / WEIGHTS) if folder is not None else {}
    for name, value in changing(model).items():
        local(value).copy_(local(shared_out(value.detach(), kept.get(name))))


def _share_moments(folder: Path | None, optimizer: Any) -> dict[str, Any]:
    """Each process's part of the moments: they lie as their parameters do."""
    kept = load_file(folder / MOMENTS) if folder is not None else {}
    params = [p for group in optimizer.param_groups for p in group["params"]]
    found: dict[str, Any] = {}
    for key, shape, dtype in current().hear([(key, value.shape, value.dtype) for key, value in kept.items()]):
        p = params[int(key.split(".", 1)[0])]
        if shape == p.shape:
            like = torch.empty_like(p, dtype=dtype)
        else:
            like = torch.empty(shape, dtype=dtype, device=local(p).device)
        found[key] = shared_out(like, kept.get(key))
    return found


def _random(text: str) -> Any:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
