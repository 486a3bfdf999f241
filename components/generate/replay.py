"""The backend `replay`: answers recorded by an earlier run, scored again without an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from components.contracts import canonical
from components.contracts.errors import TouchstoneError
from components.contracts.files import show
from components.contracts.ports import Input
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backend import Answers

Recorded = TypeVar("Recorded", Completion, ChoiceScore, TextScore)
BEFORE_CHARS = 20
"""How much of what two prompts have in common is shown before their first difference."""


def request_digest(request: Request) -> str:
    """What a request asks, as 16 hex digits: recorded beside log-probabilities, which do not repeat their prompt."""
    return canonical.digest([request.kind, request.chat, request.prompt, list(request.choices)])[:16]


class ReplayBackend:
    """Answers from artifacts of an earlier run."""

    def __init__(
        self, completions: Input[Completion], choice_scores: Input[ChoiceScore], text_scores: Input[TextScore]
    ) -> None:
        """Read the recorded answers.

        Raises:
            TouchstoneError: a folder is not a finished artifact of the right kind, or answers a request twice.
        """
        self._said = _by_id(completions, [(row.prompt_id, row) for row in completions.rows()])
        self._weighed = _by_id(choice_scores, [(row.request_id, row) for row in choice_scores.rows()])
        self._measured = _by_id(text_scores, [(row.request_id, row) for row in text_scores.rows()])

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Look every answer up by its request's id.

        Args:
            requests: What is asked.
            model: Name in the answers; empty = the recorded one.

        Raises:
            TouchstoneError: some request was never answered, or was answered for another prompt.
        """
        known: Mapping[str, Mapping[str, object]] = {
            "completion": self._said,
            "choice": self._weighed,
            "text": self._measured,
        }
        missing = [request.id for request in requests if request.id not in known[request.kind]]
        if missing:
            raise TouchstoneError(
                f"{len(missing)} of {len(requests)} requests have no recorded answer, first {missing[0]}",
                expected="an answer for every request",
                remedy="run generate with backend hf for these requests, then replay",
            )
        self._compare(requests)
        change = {"model": model} if model else {}
        return Answers(
            [self._said[r.id].model_copy(update=change) for r in requests if r.kind == "completion"],
            [self._weighed[r.id].model_copy(update=change) for r in requests if r.kind == "choice"],
            [self._measured[r.id].model_copy(update=change) for r in requests if r.kind == "text"],
        )

    def _compare(self, requests: Sequence[Request]) -> None:
        problems = [problem for request in requests if (problem := self._difference(request))]
        if problems:
            raise TouchstoneError(
                f"{len(problems)} of {len(requests)} recorded answers are to something else; first {problems[0]}",
                expected="answers to the same prompts and choices",
                remedy="replay answers to these very requests, or run generate with backend hf",
            )

    def _difference(self, request: Request) -> str:
        """What a recorded answer was given to, where that differs; empty = to the request, or not known."""
        if request.kind == "completion":
            recorded = self._said[request.id].prompt
            if not recorded or recorded == request.prompt:
                return ""
            return f"{request.id}: {first_difference(recorded, request.prompt)}"
        row = self._weighed[request.id] if request.kind == "choice" else self._measured[request.id]
        if not row.request_digest or row.request_digest == request_digest(request):
            return ""
        return f"{request.id}: recorded for another prompt or other choices (digest {row.request_digest})"


def first_difference(recorded: str, asked: str) -> str:
    """Where two prompts part, in words."""
    at = next((i for i, (a, b) in enumerate(zip(recorded, asked, strict=False)) if a != b), -1)
    at = min(len(recorded), len(asked)) if at < 0 else at
    begin = max(0, at - BEFORE_CHARS)
    return f"from character {at} on, {show(recorded[begin:])} was recorded and {show(asked[begin:])} is asked"


def _by_id(port: Input[Recorded], rows: Sequence[tuple[str, Recorded]]) -> dict[str, Recorded]:
    found: dict[str, Recorded] = {}
    for name, row in rows:
        if name in found:
            raise TouchstoneError(f"{port.path}: two answers to request {name}", expected="one for each request")
        found[name] = row
    return found
