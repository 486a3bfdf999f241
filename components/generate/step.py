"""Requests + a checkpoint, or a server -> completions and choice log-probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.contracts.ports import Checkpoint, Input, Nothing, Output
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backends import ApiBackend, Backend, EchoBackend, ReplayBackend


class Params(BaseModel):
    """Who answers, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model in the answers; shown in folder names and progress."""
    backend: Literal["hf", "api", "replay", "echo"] = "hf"
    """hf: the checkpoint by transformers. api: a server. replay: recorded answers. echo: no model at all."""
    api: ApiTarget = ApiTarget()
    """Server, model, pace and budget, for backend api."""
    batch_size: Annotated[int, Field(ge=0)] = 0
    """Requests (or choices) answered at once; 0 = as many as suits the device."""
    replay_completions: str = ""
    """Folder of recorded Completion rows, for backend replay."""
    replay_choice_scores: str = ""
    """Folder of recorded ChoiceScore rows, for backend replay."""


def generate(
    *,
    requests: Input[Request],
    checkpoint: Input[Checkpoint] = Nothing(Checkpoint),  # noqa: B008 - a frozen value that says "nothing given"
    completions: Output[Completion],
    choice_scores: Output[ChoiceScore],
    text_scores: Output[TextScore],
    journal: Journal,
    params: Params,
) -> Metrics:
    """Answer every request with the checkpoint or the server; all outputs are written, possibly without rows.

    Raises:
        TouchstoneError: two requests share an id, or a request cannot be answered.
    """
    asked = requests.rows()
    seen: set[str] = set()
    for request in asked:
        if request.id in seen:
            raise TouchstoneError(f"{requests.path}: two requests have the id {request.id}", expected="unique ids")
        seen.add(request.id)
    model = params.name or (params.api.model if params.backend == "api" else "") or "model"
    said, weighed, texts, notes, metrics = _backend(params, checkpoint, journal).answer(asked, model)
    completions.write(said, notes=notes)
    choice_scores.write(weighed)
    text_scores.write(texts)
    cut = sum(row.finish == "length" for row in said)
    counts = {"completions": len(said), "choice_scores": len(weighed), "cut_at_max_tokens": cut}
    return {name: float(count) for name, count in counts.items()} | dict(metrics)


def _backend(params: Params, checkpoint: Input[Checkpoint], journal: Journal) -> Backend:
    if params.backend == "echo":
        return EchoBackend()
    if params.backend == "replay":
        if not (params.replay_completions or params.replay_choice_scores):
            raise UsageError(
                "backend replay was given nothing to replay", expected="replay_completions or replay_choice_scores"
            )
        folders = (params.replay_completions, params.replay_choice_scores)
        return ReplayBackend(*(Path(folder) if folder else None for folder in folders))
    if params.backend == "api":
        return ApiBackend(params.api, journal)
    if isinstance(checkpoint, Nothing):
        raise UsageError("backend hf was given no checkpoint", expected="a folder for the port checkpoint")
    # torch costs seconds to import, and a scoring pod does not have it.
    from components.generate.hf.engine import HfBackend

    return HfBackend(checkpoint.folder, batch_size=params.batch_size)
