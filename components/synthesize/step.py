"""What a target is asked, and the imitation data made of its replies."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.chat_api.client import ChatClient
from components.contracts.chat_api.rows import ApiReply
from components.contracts.chat_api.settings import LIMIT, ApiTarget
from components.contracts.dialogue_rows import Dialogue, IsoDate, Removal, Terms
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion, Prompt, Request
from components.synthesize.asking import Asking
from components.synthesize.examples import Collection, Papers, no_examples
from components.synthesize.prompting import compose_prompt
from components.synthesize.task import load_task

Seed = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]


class Params(BaseModel):
    """How the target is sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    temperature: Annotated[float, Field(ge=0.0)] = 1.0
    """The study sampled at 1.0."""
    max_tokens: Positive = 1024
    """Longest reply."""
    seed: Seed = 0
    """Another seed gives other replies to the same prompts."""


class ComposeParams(BaseModel):
    """What one round of a task asks."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    task: str | dict[str, Any] = "nq_synthetic"
    """Name of a shipped task, or a task's fields."""
    num_requests: Positive = 512
    """Prompts in the round."""
    seed: Seed = 0
    """Another seed shows other examples and samples anew."""


class CollectParams(BaseModel):
    """How replies become imitation data."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    task: str | dict[str, Any] = "nq_synthetic"
    """Name of a shipped task, or a task's fields."""
    num_examples: Positive | None = None
    """Examples wanted; null = as many as the task says."""
    target_date: IsoDate = ""
    """The target's version date as ISO 8601; empty = when each reply was made, where the server says it."""
    terms: Terms = "unknown"
    """Whether the target's terms allow training on its outputs."""


class SynthesizeParams(CollectParams):
    """Whom to ask for a task's examples, how many, and at what price."""

    api: ApiTarget = ApiTarget()
    """The target's server, pace and budget."""
    seed: Seed = 0
    """Another seed shows other examples and samples anew."""
    accept_fewer: bool = Field(False, json_schema_extra=LIMIT)
    """Give what there is when budget or requests end first; when not, the step fails, and goes on when called again."""
    max_requests: Positive | None = Field(None, json_schema_extra=LIMIT)
    """Prompts asked at most; null = ten for each example wanted."""


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


def synthesize(
    *,
    dialogues: Output[Dialogue],
    removed: Output[Removal],
    replies: Output[Completion],
    raw_replies: Output[ApiReply],
    journal: Journal,
    params: SynthesizeParams,
) -> Metrics:
    """Have a target behind an API make examples of a task.

    Raises:
        UsageError: the task cannot be understood, or no server is named.
        TouchstoneError: budget, requests or hope ended before there were enough examples, or the server fails.
    """
    task = load_task(params.task)
    wanted = params.num_examples or task.num_examples
    collection = Collection(task, wanted, Papers(params.target_date, params.terms))
    max_requests = params.max_requests or max(64, 10 * wanted)
    with ChatClient(params.api, journal, seed=params.seed) as client:
        asking = Asking(task, client, collection, seed=params.seed, max_requests=max_requests)
        early = asking.run()
        if early is not None:
            if not params.accept_fewer or not collection.dialogues:
                raise early
            journal.unfinished = early.found
        notes = {**asking.tally.notes(), "task": task.name, "about": task.about, "ended_early": journal.unfinished}
        dialogues.write(collection.dialogues, notes=notes)
        removed.write(collection.removed)
        model = params.api.model
        replies.write(reply.completion(p.id, p.text, reply.model or model) for p, reply in asking.replies())
        raw_replies.write((ApiReply.of(p.id, reply) for p, reply in asking.replies()), notes=notes)
        return {**collection.counts(), "replies": float(asking.tally.num_replies), **client.costs()}


def compose(*, requests: Output[Request], params: ComposeParams) -> Metrics:
    """One round of a task's prompts, for a target that `generate` runs.

    Raises:
        UsageError: the task cannot be understood.
    """
    task = load_task(params.task)
    prompts = (compose_prompt(task, params.seed, number) for number in range(params.num_requests))
    requests.write(
        Request(
            id=prompt.id,
            kind="completion",
            prompt=prompt.text,
            chat=task.chat,
            max_tokens=task.max_tokens,
            temperature=task.temperature,
            seed=prompt.seed,
        )
        for prompt in prompts
    )
    return {"requests": float(params.num_requests)}


def collect_examples(
    *,
    requests: Input[Request],
    replies: Input[Completion],
    dialogues: Output[Dialogue],
    removed: Output[Removal],
    params: CollectParams,
) -> Metrics:
    """Read the replies to `compose`'s prompts, or, with another rule, those that `synthesize` kept.

    Raises:
        UsageError: the task cannot be understood.
        TouchstoneError: a reply belongs to no request, two to one, or no example was found.
    """
    task = load_task(params.task)
    collection = Collection(task, params.num_examples or task.num_examples, Papers(params.target_date, params.terms))
    said: dict[str, Completion] = {}
    for reply in replies.iter_rows():
        if reply.prompt_id in said:
            raise TouchstoneError(f"{replies.path}: two replies to {reply.prompt_id}", expected="one for each request")
        said[reply.prompt_id] = reply
    for request in requests.iter_rows():
        answer = said.pop(request.id, None)
        if answer is None:
            collection.add_failure(request.id, "there is no reply to this request")
        else:
            collection.add_reply(request.id, answer.text, is_cut=answer.finish == "length", target=answer.model)
    if said:
        raise TouchstoneError(
            f"{replies.path}: {len(said)} replies belong to no request, first {next(iter(said))}",
            expected="the replies to these requests",
            remedy="give the artifact that generate made of them",
        )
    if not collection.dialogues:
        raise no_examples(collection)
    dialogues.write(collection.dialogues, notes={"task": task.name, "about": task.about})
    removed.write(collection.removed)
    return collection.counts()


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
