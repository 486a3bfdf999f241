"""Requests + a checkpoint -> completions and choice log-probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import ChoiceScore, Completion, Request
from components.generate.backends import Backend, EchoBackend, ReplayBackend


class Params(BaseModel):
    """Who answers, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model in the answers; shown in folder names and progress."""
    backend: Literal["hf", "replay", "echo"] = "hf"
    """hf: the checkpoint by transformers. replay: recorded answers. echo: no model at all."""
    batch_size: Annotated[int, Field(gt=0)] = 256
    """Requests (or choices) answered at once."""
    replay_completions: str = ""
    """Folder of recorded Completion rows, for backend replay."""
    replay_choice_scores: str = ""
    """Folder of recorded ChoiceScore rows, for backend replay."""


def generate(
    *,
    requests: Input[Request],
    checkpoint: Input[Checkpoint],
    completions: Output[Completion],
    choice_scores: Output[ChoiceScore],
    params: Params,
) -> Metrics:
    """Answer every request with the checkpoint; both outputs are written, possibly without rows.

    Raises:
        TouchstoneError: two requests share an id, or a request cannot be answered.
    """
    asked = requests.rows()
    seen: set[str] = set()
    for request in asked:
        if request.id in seen:
            raise TouchstoneError(f"{requests.path}: two requests have the id {request.id}", expected="unique ids")
        seen.add(request.id)
    said, weighed = _backend(params, checkpoint).answer(asked, params.name or "model")
    completions.write(said)
    choice_scores.write(weighed)
    cut = sum(row.finish == "length" for row in said)
    return {"completions": float(len(said)), "choice_scores": float(len(weighed)), "cut_at_max_tokens": float(cut)}


def _backend(params: Params, checkpoint: Input[Checkpoint]) -> Backend:
    if params.backend == "echo":
        return EchoBackend()
    if params.backend == "replay":
        if not (params.replay_completions or params.replay_choice_scores):
            raise UsageError(
                "backend replay was given nothing to replay", expected="replay_completions or replay_choice_scores"
            )
        folders = (params.replay_completions, params.replay_choice_scores)
        return ReplayBackend(*(Path(folder) if folder else None for folder in folders))
    # torch costs seconds to import, and a scoring pod does not have it.
    from components.generate.hf import HfBackend

    return HfBackend(checkpoint.folder, batch_size=params.batch_size)
