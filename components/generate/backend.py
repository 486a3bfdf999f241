"""The seam between requests and whatever answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from components.contracts.rows import ChoiceScore, Completion, Request, TextScore


class Answers(NamedTuple):
    """What a backend gave, in the order of the requests of each kind."""

    completions: list[Completion]
    choice_scores: list[ChoiceScore]
    text_scores: list[TextScore] = []  # noqa: RUF012 - never changed
    notes: Mapping[str, object] = {}
    """What a reader of the completions should know about who answered."""
    metrics: Mapping[str, float] = {}
    """What answering cost."""


class Backend(Protocol):
    """Anything that answers requests."""

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer every request, or raise a TouchstoneError."""
