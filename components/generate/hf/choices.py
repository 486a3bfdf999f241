"""Log-probabilities of choices: what requests begin with is read once, and each distinct input once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from components.contracts.rows import ChoiceScore, Request
from components.generate.hf.can_share import longest_shared
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.reading import Reader, branching, joined, whole
from components.generate.hf.sharing import alike, even_parts
from components.generate.hf.tokens import Scored, context_limit, scored_choices
from components.generate.hf.work import Done, Unit

UNIT_REQUESTS, UNIT_CHARACTERS = 512, 300_000
"""Requests of a unit at most, and characters that it has to read: what a kill can lose."""
WORTH_SHARING_CHARACTERS = 64
WORTH_SHARING_TOKENS = 16
"""A shorter common beginning is not worth a pass of its own."""


def plan(loaded: LoadedModel, requests: Sequence[Request], positions: Sequence[int]) -> list[Unit]:
    """Cut choice requests into units of requests that begin alike.

    Args:
        loaded: The model.
        requests: All requests of the run, of every kind.
        positions: Which of them are choice requests.
    """
    order = sorted(positions, key=lambda i: (requests[i].chat, requests[i].prompt, i))
    units: list[list[int]] = []
    held = 0
    for first, end, common in alike([requests[i].prompt for i in order], WORTH_SHARING_CHARACTERS):
        own = [len(requests[i].prompt) - common for i in order[first:end]]
        parts = max(1, math.ceil(sum(own) / UNIT_CHARACTERS))
        at = first
        for size in even_parts(end - first, min(UNIT_REQUESTS, math.ceil((end - first) / parts))):
            read = common + sum(own[at - first : at - first + size])
            # Small groups are run in one unit, each with its own prefix.
            if not units or len(units[-1]) + size > UNIT_REQUESTS or held + read > UNIT_CHARACTERS:
                units.append([])
                held = 0
            units[-1] += order[at : at + size]
            held, at = held + read, at + size
    return [Unit("choice", tuple(unit)) for unit in units]


@torch.inference_mode()
def run(loaded: LoadedModel, requests: Sequence[Request], model: str, max_rows: int) -> Done:
    """Answer the requests of one unit.

    Args:
        loaded: The model.
        requests: Those of the unit, in its order.
        model: Name of the model in the answers.
        max_rows: Rows of a batch at most; 0 = as many as suits the device.

    Raises:
        TouchstoneError: a choice adds no token to its prompt, or a chat request finds no chat template.
    """
    scored = scored_choices(loaded, requests)
    limit = context_limit(loaded)
    fitting = [item for item in scored if len(item.continuation) <= limit]
    reader = Reader(loaded, max_rows)
    longest = longest_shared(loaded, max((len(item.read) for item in fitting), default=0))
    _read_shared(reader, [item for item in fitting if len(item.read) <= longest])
    single = [item for item in fitting if len(item.read) > longest]
    reader.padded(joined(whole(item.context, (item.request, item.choice), item.continuation) for item in single))
    reader.counts.input_tokens = sum(map(len, {item.read for item in fitting}))
    by_request: list[list[Scored]] = [[] for _ in requests]
    for item in scored:
        by_request[item.request].append(item)
    answers = [_answer(r, model, items, reader, limit) for r, items in zip(requests, by_request, strict=True)]
    return Done(answers, reader.counts)


def _read_shared(reader: Reader, scored: Sequence[Scored]) -> None:
    """Read each group's common beginning once, each context once after it, and each choice after its context."""
    by_context: dict[tuple[int, ...], list[Scored]] = {}
    for item in scored:
        by_context.setdefault(item.context, []).append(item)
    contexts = sorted(by_context)
    for first, end, common in alike(contexts, WORTH_SHARING_TOKENS):
        group = contexts[first:end]
        # A context's last token predicts the first of its choices, so it stays outside.
        shared = min(common, min(map(len, group)) - 1)
        start = shared if len(group) > 1 and shared >= WORTH_SHARING_TOKENS else 0
        prefix = reader.prefix(group[0][:start]) if start else None
        rows = [
            branching(context[start:], [((i.request, i.choice), i.continuation) for i in by_context[context]])
            for context in group
        ]
        reader.packed(rows, start, prefix)


def _answer(request: Request, model: str, items: Sequence[Scored], reader: Reader, limit: int) -> ChoiceScore:
    values = [reader.values.get((item.request, item.choice)) for item in items]
    reasons = [
        f"choice {choice[:40]!r} is longer than the model's context of {limit} tokens"
        if value is None
        else f"the model's log-probability of choice {choice[:40]!r} is {value}"
        for choice, value in zip(request.choices, values, strict=True)
        if value is None or not math.isfinite(value)
    ]
    unanswered = reasons[0] if reasons else None
    return ChoiceScore(
        request_id=request.id,
        model=model,
        logprobs=() if unanswered else tuple(value for value in values if value is not None),
        num_tokens=tuple(len(item.continuation) for item in items),
        cut_tokens=max((item.cut for item in items), default=0),
        unanswered=unanswered,
    )
