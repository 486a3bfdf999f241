"""Prompts -> requests for the target."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.contracts.rows import Prompt, Request


class Params(BaseModel):
    """How the target is sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    temperature: Annotated[float, Field(ge=0.0)] = 1.0
    """The study sampled at 1.0."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Longest reply."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed gives other replies to the same prompts."""


def ask(*, prompts: Input[Prompt], requests: Output[Request], params: Params) -> Metrics:
    """One chat request per prompt.

    Raises:
        TouchstoneError: there is nothing to ask.
    """
    rows = prompts.rows()
    if not rows:
        raise TouchstoneError(f"{prompts.path} holds no prompt", expected="at least one prompt to ask the target")
    requests.write(_request(prompt, params) for prompt in rows)
    return {"requests": float(len(rows))}


def _request(prompt: Prompt, params: Params) -> Request:
    # Seeded by the prompt's own id: adding or removing prompts leaves the others' replies as they were.
    mixed = hashlib.sha256(f"{params.seed}:{prompt.id}".encode()).digest()
    return Request(
        id=prompt.id,
        kind="completion",
        prompt=prompt.text,
        chat=True,
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        seed=int.from_bytes(mixed[:4], "big"),
    )
