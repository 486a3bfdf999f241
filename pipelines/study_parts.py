"""What the parts of a study's graph hand each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from components.generate.component import generate

TARGET, JUDGE = "target", "judge"


class Dials(NamedTuple):
    """What a person sets when a run is created."""

    seed: Any
    policy: Any
    registered: Any


class Materials(NamedTuple):
    """What a study begins with."""

    items: Any
    heldout: Any
    models: Mapping[str, Any]
    """Bases by name, target and, where there is one, judge; None = behind a server."""
    prompts: Mapping[str, Any] = {}
    """Name of imitation data -> the prompts that the target answers for them."""
    dialogues: Mapping[str, Any] = {}
    """Name of imitation data -> what the target said, where that is known already."""
    generating: Mapping[str, Mapping[str, Any]] = {}
    """Model -> parameters of generate that differ for it."""


class Data(NamedTuple):
    """One set of imitation data, held against the gate, and what is known of it."""

    checked: Any
    support: Any
    overlap: Any
    figures: Any
    checks: Any


class Measured(NamedTuple):
    """What a model said, scored."""

    scores: Any
    variants: Any
    answers: Any
    completions: Any
    """Every reply, by request."""
    tones: Any
    """How sure the replies to scored items sound."""


def part(item: Any, name: str) -> Any:
    """The parameters of one step: a value of a mapping, or a field of a loop's item."""
    return item[name] if isinstance(item, Mapping) else getattr(item, name)


def generated(requests: Any, checkpoint: Any, params: Any) -> Any:
    """A task of `generate`; a model behind a server has no checkpoint."""
    given = {} if checkpoint is None else {"checkpoint": checkpoint}
    return generate(requests=requests, params=params, **given)
