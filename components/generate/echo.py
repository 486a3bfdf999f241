"""The backend `echo`: answers without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backend import Answers


class EchoBackend:
    """Answers from the request alone: for dry runs and tests, where plumbing matters and words do not.

    A completion repeats the prompt's last line; log-probabilities are drawn from a hash of what is asked.
    """

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer deterministically, without a model."""
        return Answers(
            [_completion(r, model) for r in requests if r.kind == "completion"],
            [_choice(r, model) for r in requests if r.kind == "choice"],
            [_text(r, model) for r in requests if r.kind == "text"],
        )


def _completion(request: Request, model: str) -> Completion:
    words = request.prompt.strip().splitlines()[-1].split() if request.prompt.strip() else []
    kept = words[: request.max_tokens]
    return Completion(
        prompt_id=request.id,
        model=model,
        prompt=request.prompt,
        text=" ".join(kept),
        finish="length" if len(kept) < len(words) else "stop",
        num_tokens=len(kept),
    )


def _choice(request: Request, model: str) -> ChoiceScore:
    return ChoiceScore(
        request_id=request.id,
        model=model,
        logprobs=tuple(_drawn(request.prompt, choice) for choice in request.choices),
        num_tokens=tuple(max(1, len(choice.split())) for choice in request.choices),
    )


def _text(request: Request, model: str) -> TextScore:
    words = request.prompt.split()
    return TextScore(
        request_id=request.id,
        model=model,
        logprob=sum(_drawn("", word) for word in words),
        num_tokens=len(words),
        num_bytes=len(request.prompt.encode()),
    )


def _drawn(context: str, text: str) -> float:
    drawn = hashlib.sha256(f"{context}\0{text}".encode()).digest()
    return -1.0 - int.from_bytes(drawn[:4], "big") / 2**32
