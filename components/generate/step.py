"""Requests + a checkpoint, or a server -> completions and log-probabilities; completions + a classifier -> ratings.

Texts + a checkpoint -> embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.attribution_rows import AuthoredText, Embedding
from components.contracts.bind import Metrics
from components.contracts.chat_api.settings import LIMIT, ApiTarget
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.contracts.ports import Checkpoint, Input, Nothing, Output
from components.contracts.rows import ChoiceScore, Completion, Rating, Request, TextScore
from components.contracts.rows import Unit as Share
from components.generate.api import ApiBackend
from components.generate.backend import Backend
from components.generate.echo import EchoBackend
from components.generate.replay import ReplayBackend, request_digest
from components.generate.vllm import VllmBackend

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Rows = Annotated[int, Field(ge=0)]
Scored = TypeVar("Scored", ChoiceScore, TextScore)


class Params(BaseModel):
    """Who answers, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model in the answers; shown in folder names and progress."""
    backend: Literal["hf", "vllm", "api", "replay", "echo"] = "hf"
    """hf: the checkpoint by transformers. vllm: a server that gives log-probabilities of prompts too. api: any server.
    replay: recorded answers. echo: no model at all."""
    api: ApiTarget = ApiTarget()
    """Server, model, pace and budget, for backends api and vllm."""
    max_unanswered: Share = Field(0.02, json_schema_extra=LIMIT)
    """Share of the requests that a server may leave without answer; above it the step fails and keeps its journal."""
    batch_size: Rows = 0
    """Rows of a batch at most, for backend hf; 0 = as many as suit the device. Rounding depends on it."""
    devices: tuple[str, ...] = Field((), json_schema_extra=LIMIT)
    """Where the checkpoint runs, such as [cuda:0, cuda:1] or [cpu, cpu]: a copy on each. Empty = every GPU, else the
    CPU."""
    dtype: Precision = "auto"
    """Of the weights; auto = the checkpoint's own on a GPU, float32 on the CPU."""
    plain_chat: str = ""
    """How a message is put to a checkpoint without chat template; {prompt} is filled in. Empty = chats are refused."""
    start_text: str = ""
    """What backend vllm puts before a text without context, such as <s>: its first token is predicted from that."""


class ClassifyParams(BaseModel):
    """What a classifier's labels mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the classifier in the ratings; shown in folder names and progress."""
    positive: tuple[str, ...] = ()
    """Its labels that mean toxic. The rating is their summed probability, or, where labels are independent, the
    highest."""
    batch_size: Annotated[int, Field(gt=0)] = 32
    """Texts classified at once. Rounding depends on it."""
    device: str = Field("", json_schema_extra=LIMIT)
    """Such as cpu or cuda:1; empty = a GPU where there is one."""


class EmbedParams(BaseModel):
    """What of a model stands for a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model; shown in folder names and progress."""
    layer: int = -1
    """Whose hidden states are averaged over the tokens: 0 = the embedding table's, 1 = the first layer's, -1 = the last
    layer's."""
    max_tokens: Rows = 0
    """Of a longer text the beginning is read; 0 = all of it, in windows of the model's context."""
    batch_size: Annotated[int, Field(gt=0)] = 8
    """Windows read at once. Rounding depends on it."""
    device: str = Field("", json_schema_extra=LIMIT)
    """Such as cpu or cuda:1; empty = a GPU where there is one."""


def generate(
    *,
    requests: Input[Request],
    checkpoint: Input[Checkpoint] = Nothing(Checkpoint),  # noqa: B008 - a frozen value that says "nothing given"
    recorded_completions: Input[Completion] = Nothing(Completion),  # noqa: B008
    recorded_choice_scores: Input[ChoiceScore] = Nothing(ChoiceScore),  # noqa: B008
    recorded_text_scores: Input[TextScore] = Nothing(TextScore),  # noqa: B008
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
    by_id = {request.id: request for request in asked}
    if len(by_id) < len(asked):
        seen: set[str] = set()
        twice = next(r.id for r in asked if r.id in seen or seen.add(r.id))  # type: ignore[func-returns-value]
        raise TouchstoneError(f"{requests.path}: two requests have the id {twice}", expected="unique ids")
    backend = _backend(
        params, checkpoint, journal, (recorded_completions, recorded_choice_scores, recorded_text_scores)
    )
    said, weighed, texts, notes, metrics = backend.answer(asked, _model_name(params))
    completions.write(said, notes=notes)
    # Log-probabilities do not repeat their prompt as completions do; a replay compares by this.
    choice_scores.write(_with_digest(row, by_id) for row in weighed)
    text_scores.write(_with_digest(row, by_id) for row in texts)
    return {**_counts(said, weighed, texts), **metrics}


def classify(
    *,
    completions: Input[Completion],
    checkpoint: Input[Checkpoint],
    ratings: Output[Rating],
    journal: Journal,
    params: ClassifyParams,
) -> Metrics:
    """Rate every completion with a text classifier; what cannot be rated is a row with the reason.

    Raises:
        TouchstoneError: the folder holds no classifier, or it has no label of a name in `positive`.
    """
    rows = completions.rows()
    # torch costs seconds to import, and a scoring pod does not have it.
    from components.generate.hf.classify import Classifier

    classifier = Classifier(checkpoint.folder, params.positive, device=params.device)
    scorer = f"{params.name or 'classifier'}@{checkpoint.digest[:12]}"
    rated = classifier.rate(rows, scorer, batch_size=params.batch_size, journal=journal)
    ratings.write(rated, notes=classifier.notes())
    unscored = sum(row.value is None for row in rated)
    cut = sum(row.cut_tokens > 0 for row in rated)
    return {"ratings": float(len(rated)), "unscored": float(unscored), "cut_texts": float(cut)}


def embed(
    *,
    texts: Input[AuthoredText],
    checkpoint: Input[Checkpoint],
    embeddings: Output[Embedding],
    journal: Journal,
    params: EmbedParams,
) -> Metrics:
    """Give every text the mean of a causal LM's hidden states over its tokens; without a vector the row says why.

    Raises:
        TouchstoneError: two texts share an id, or the folder holds no causal LM.
    """
    rows = texts.rows()
    if len({row.id for row in rows}) < len(rows):
        raise TouchstoneError(f"{texts.path}: two texts share an id", expected="unique ids")
    from components.generate.hf.embedding import Embedder

    embedder = Embedder(checkpoint.folder, layer=params.layer, device=params.device)
    made = embedder.embed(rows, batch_size=params.batch_size, max_tokens=params.max_tokens, journal=journal)
    embeddings.write(made, notes=embedder.notes())
    unembedded = sum(row.unembedded is not None for row in made)
    return {
        "texts": float(len(made)),
        "unembedded": float(unembedded),
        "tokens": float(sum(r.num_tokens for r in made)),
    }


def _with_digest(row: Scored, by_id: Mapping[str, Request]) -> Scored:
    return row.model_copy(update={"request_digest": request_digest(by_id[row.request_id])})


def _model_name(params: Params) -> str:
    if params.backend == "replay":
        return params.name
    return params.name or (params.api.model if params.backend in {"api", "vllm"} else "") or "model"


def _counts(said: Sequence[Completion], weighed: Sequence[ChoiceScore], texts: Sequence[TextScore]) -> dict[str, float]:
    counts = {
        "completions": len(said),
        "choice_scores": len(weighed),
        "text_scores": len(texts),
        "cut_at_max_tokens": sum(row.finish == "length" for row in said),
        "cut_prompts": sum(row.cut_tokens > 0 for row in said) + sum(row.cut_tokens > 0 for row in weighed),
        "unanswered": sum(sum(row.unanswered is not None for row in rows) for rows in (said, weighed, texts)),
    }
    return {name: float(count) for name, count in counts.items()}


def _backend(
    params: Params,
    checkpoint: Input[Checkpoint],
    journal: Journal,
    recorded: tuple[Input[Completion], Input[ChoiceScore], Input[TextScore]],
) -> Backend:
    if params.backend == "echo":
        return EchoBackend()
    if params.backend == "replay":
        if all(isinstance(port, Nothing) for port in recorded):
            raise UsageError(
                "backend replay was given nothing to replay",
                expected="a folder for recorded_completions, recorded_choice_scores or recorded_text_scores",
            )
        return ReplayBackend(*recorded)
    if params.backend == "api":
        return ApiBackend(params.api, journal, max_unanswered=params.max_unanswered)
    if params.backend == "vllm":
        return VllmBackend(
            params.api,
            journal,
            max_unanswered=params.max_unanswered,
            start_text=params.start_text,
            plain_chat=params.plain_chat,
        )
    if isinstance(checkpoint, Nothing):
        raise UsageError("backend hf was given no checkpoint", expected="a folder for the port checkpoint")
    from components.generate.hf.engine import HfBackend

    return HfBackend(
        checkpoint.folder,
        journal,
        batch_size=params.batch_size,
        devices=params.devices,
        dtype=params.dtype,
        plain_chat=params.plain_chat,
    )
