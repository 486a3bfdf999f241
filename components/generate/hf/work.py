"""Units of work: what is run, journalled and replayed as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from components.contracts.rows import ChoiceScore, Completion, TextScore

Kind = Literal["completion", "choice", "text"]
Answer = Completion | ChoiceScore | TextScore


class Unit(NamedTuple):
    """Requests that are answered together. Cut from the full list, so that a run that was interrupted cuts the same."""

    kind: Kind
    requests: tuple[int, ...]
    """Positions in the full list of requests, in the order in which they are run."""


@dataclass
class Counts:
    """Exact counts that explain how long a unit took, on any machine; they add up."""

    input_tokens: int = 0
    """Tokens of all inputs, as if each were read alone."""
    computed_tokens: int = 0
    """Tokens that went through the model, without padding."""
    padding_tokens: int = 0
    """Positions computed and thrown away."""
    projected_positions: int = 0
    """Positions that went through the vocabulary projection."""
    cache_bytes: int = 0
    """Largest size of keys and values held at once."""

    def add(self, other: Counts) -> None:
        """Add another unit's counts; of `cache_bytes` the larger stays."""
        peak = max(self.cache_bytes, other.cache_bytes)
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        self.cache_bytes = peak

    def metrics(self) -> Mapping[str, float]:
        """As a step's metrics."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}


class Done(NamedTuple):
    """A unit's answers, in the order of its requests, and what they cost."""

    answers: Sequence[Answer]
    counts: Counts
