"""What there is to run: steps found in `components/*/step.py`, pipelines in `pipelines/*/pipeline.py`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import components
from components.contracts import bind
from components.contracts.errors import UsageError

SWEEPS = ("data_scaling", "base_scaling", "local_imitation", "mitigation")
PIPELINES = ("imitation_audit", *SWEEPS, "style_attribution")


@dataclass(frozen=True)
class Pipeline:
    """A question, as code: a graph and its named runs."""

    name: str
    question: str
    """One line: what the pipeline finds out."""
    presets: Mapping[str, Callable[..., BaseModel]]
    """Name -> function giving a full configuration."""
    build: Callable[..., Any]
    """Configuration and placement on a cluster (None on a laptop) -> kfp pipeline."""


@cache
def steps() -> dict[str, bind.Step]:
    """Every step of every box, by function name."""
    root = Path(str(components.__file__)).parent
    found: dict[str, bind.Step] = {}
    for path in sorted(root.glob("*/step.py")):
        module = importlib.import_module(f"components.{path.parent.name}.step")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and _is_step(function):
                assert name not in found, f"two steps are called {name}"
                found[name] = function
    return found


def _is_step(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    keyword_only = all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters)
    return not function.__name__.startswith("_") and keyword_only and "Output[" in str(inspect.signature(function))


def step(name: str) -> bind.Step:
    """A step by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in steps():
        raise UsageError(f"no step called {name}", expected=", ".join(steps()), remedy="touchstone list")
    return steps()[name]


def is_sweep(name: str) -> bool:
    """Whether a pipeline makes the cells of a sweep."""
    return name in SWEEPS


def pipeline(name: str) -> Pipeline:
    """A pipeline by name, with its presets; imports kfp only when it is built.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in PIPELINES:
        raise UsageError(f"no pipeline called {name}", expected=", ".join(PIPELINES), remedy="touchstone list")
    presets = importlib.import_module(f"pipelines.{name}.presets")

    def build(config: Any, placement: Any = None) -> Any:
        return importlib.import_module(f"pipelines.{name}.pipeline").build(config, placement)

    return Pipeline(name, str(presets.__doc__).splitlines()[0], presets.PRESETS, build)


def preset(name: str, preset_name: str, **dials: Any) -> Any:
    """A pipeline's named configuration; of a sweep also the one that a YAML file describes.

    Raises:
        UsageError: the pipeline or the preset does not exist, or what is wrong with the file.
    """
    known = pipeline(name).presets
    if is_sweep(name) and Path(preset_name).suffix in (".yaml", ".yml"):
        from pipelines.sweep.own_models import read_config

        dials.pop("plain", None)
        return read_config(Path(preset_name), name, **dials)
    if preset_name not in known:
        or_file = ", or a YAML file" if is_sweep(name) else ""
        raise UsageError(
            f"{name} has no preset {preset_name}", expected=", ".join(known) + or_file, remedy="touchstone list"
        )
    return known[preset_name](**dials)
