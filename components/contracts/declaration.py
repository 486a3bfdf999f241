"""What a step's signature states: its ports, its parameters, and what it keeps on the way."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from components.contracts import canonical
from components.contracts.errors import UsageError
from components.contracts.journal import Journal
from components.contracts.ports import Folder, Input, Inputs, Output
from components.contracts.rows import Row
from components.contracts.workplace import Workplace

Metrics = Mapping[str, float]
"""Scalars a step wants shown beside its task; names end in their unit."""

Step = Callable[..., "Metrics | None"]
Contract = type[Row] | type[Folder]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Declaration:
    """A step's ports and parameters, as its signature states them."""

    box: str
    name: str
    inputs: Mapping[str, Contract]
    outputs: Mapping[str, Contract]
    params: type[BaseModel] | None
    optional: frozenset[str] = frozenset()
    """Inputs that need not be given; they default to `Nothing`."""
    many: frozenset[str] = frozenset()
    """Inputs that take any number of artifacts: `Inputs`, what a loop's tasks made."""
    journal: bool = False
    """Whether the step appends what it makes to a journal."""
    workplace: bool = False
    """Whether the step keeps states to go on from."""

    @property
    def continues(self) -> bool:
        """Whether a call goes on where an interrupted one stopped."""
        return self.journal or self.workplace


@cache
def declare(step: Step) -> Declaration:
    """Read a step's signature.

    Raises:
        TypeError: a parameter is neither a port nor `params`, `journal` or `workplace`, or is not keyword-only (our own
            mistake).
    """
    hints = typing.get_type_hints(step)
    inputs: dict[str, Contract] = {}
    outputs: dict[str, Contract] = {}
    params: type[BaseModel] | None = None
    optional: set[str] = set()
    many: set[str] = set()
    journal = workplace = False
    for name, parameter in inspect.signature(step).parameters.items():
        hint = hints[name]
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{step.__qualname__}: {name} must be keyword-only")
        if get_origin(hint) in (Input, Inputs):
            inputs[name] = get_args(hint)[0]
            if get_origin(hint) is Inputs:
                many.add(name)
            if parameter.default is not inspect.Parameter.empty:
                optional.add(name)
        elif get_origin(hint) is Output:
            outputs[name] = get_args(hint)[0]
        elif name == "params" and issubclass(hint, BaseModel):
            params = hint
        elif name == "journal" and hint is Journal:
            journal = True
        elif name == "workplace" and hint is Workplace:
            workplace = True
        else:
            raise TypeError(f"{step.__qualname__}: {name} is no Input, Inputs, Output, params, journal or workplace")
    box = step.__module__.split(".")[1]
    return Declaration(
        box, step.__name__, inputs, outputs, params, frozenset(optional), frozenset(many), journal, workplace
    )


@cache
def code_version(step: Step) -> str:
    """sha256 over every source and data file of the step's box and of the contracts."""
    here = Path(__file__).parent
    parts: list[list[str]] = []
    for folder in (here, here.parent / declare(step).box):
        parts += [
            [f"{folder.name}/{name}", canonical.file_digest(folder / name)]
            for name in canonical.tree_files(folder)
            if "__pycache__" not in name and not name.endswith(".md")
        ]
    return canonical.digest(parts)


def check_params(step: Step, given: Mapping[str, Any] | None) -> BaseModel | None:
    """Validate a step's parameters.

    Raises:
        UsageError: an unknown or impossible parameter, by name.
    """
    model = declare(step).params
    if model is None:
        if given:
            raise UsageError(f"{step.__name__} takes no parameters, got {', '.join(given)}")
        return None
    return validated(model, given or {}, what=f"parameters of {step.__name__}")


def validated(model: type[M], given: Mapping[str, Any], *, what: str) -> M:
    """A model made of values that a person wrote.

    Args:
        model: With `extra="forbid"`.
        given: Field -> value.
        what: Is wrong, when something is.

    Raises:
        UsageError: an unknown field, with the known one that it resembles, or an impossible value, by name.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        problems = [_problem(model, [str(part) for part in e["loc"]], e["type"], e["msg"]) for e in error.errors()]
        raise UsageError(
            f"{what}: {'; '.join(problems)}",
            expected=", ".join(model.model_fields),
            remedy="correct the preset or the parameter file",
        ) from error


def _problem(model: type[BaseModel], place: list[str], kind: str, message: str) -> str:
    name = ".".join(place) or "params"
    if kind != "extra_forbidden":
        return f"{name}: {message}"
    known = _fields_at(model, place[:-1])
    near = difflib.get_close_matches(place[-1], known, n=1)
    if near:
        return f"{name}: there is no such field; did you mean {near[0]}?"
    return f"{name}: there is no such field" + (f" among {', '.join(known)}" if len(place) > 1 else "")


def _fields_at(model: type[BaseModel], place: list[str]) -> list[str]:
    """Fields of the model that lies at a place within another; none where that is no model."""
    for name in place:
        field = model.model_fields.get(name)
        inner = field.annotation if field is not None else None
        models = [a for a in (inner, *get_args(inner)) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)
