"""Log-probabilities of whole texts, in windows of the model's context where they are longer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from components.contracts.rows import Request, TextScore
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.reading import Reader, Row, whole
from components.generate.hf.tokens import context_limit, encode, prompt_text, start_token
from components.generate.hf.work import Done, Unit

UNIT_TEXTS = 256
UNIT_CHARACTERS = 1_000_000
"""A unit's texts together, unless one alone is longer: what a kill can lose."""


def plan(loaded: LoadedModel, requests: Sequence[Request], positions: Sequence[int]) -> list[Unit]:
    """Cut text requests into units of like length.

    Args:
        loaded: The model.
        requests: All requests of the run, of every kind.
        positions: Which of them are text requests.
    """
    units: list[list[int]] = []
    held = 0
    for index in sorted(positions, key=lambda i: (len(requests[i].prompt), i)):
        length = len(requests[index].prompt)
        if not units or len(units[-1]) == UNIT_TEXTS or held + length > UNIT_CHARACTERS:
            units.append([])
            held = 0
        units[-1].append(index)
        held += length
    return [Unit("text", tuple(unit)) for unit in units]


@torch.inference_mode()
def run(loaded: LoadedModel, requests: Sequence[Request], model: str, max_rows: int) -> Done:
    """Answer the requests of one unit.

    Args:
        loaded: The model.
        requests: Those of the unit, in its order.
        model: Name of the model in the answers.
        max_rows: Rows of a batch at most; 0 = as many as suits the device.

    Raises:
        TouchstoneError: a chat request finds no chat template, or the tokenizer has no token to begin a text with.
    """
    texts = [prompt_text(loaded, request) for request in requests]
    tokens = encode(loaded, texts)
    first, limit = start_token(loaded), context_limit(loaded)
    windows = [(number, row) for number, text in enumerate(tokens) for row in _windows(number, text, first, limit)]
    reader = Reader(loaded, max_rows)
    reader.padded([row for _, row in windows])
    reader.counts.input_tokens = sum(len(row.tokens) for _, row in windows)
    sums: list[list[float]] = [[] for _ in requests]
    for (number, _), value in sorted(reader.values.items()):
        sums[number].append(value)
    answers = [
        _answer(request, model, text, len(ids), values)
        for request, text, ids, values in zip(requests, texts, tokens, sums, strict=True)
    ]
    return Done(answers, reader.counts)


def _windows(number: int, tokens: Sequence[int], first: int, limit: int) -> Iterator[Row]:
    """Rows that predict every token of a text once, each from as much before it as its window holds.

    As lm-evaluation-harness's rolling log-likelihood: the first window predicts `limit` tokens from the start token
    on; every further one ends after at most `limit` new tokens and is filled up to the left with old ones.
    """
    ids = (first, *tokens)
    for window, start in enumerate(range(0, len(tokens), limit)):
        end = min(start + limit, len(tokens))
        # ids[k] predicts tokens[k] = ids[k + 1].
        begin = max(0, end - limit)
        yield whole(ids[begin : start + 1], (number, window), ids[start + 1 : end + 1])


def _answer(request: Request, model: str, text: str, num_tokens: int, values: Sequence[float]) -> TextScore:
    unanswered = None
    if not text:
        unanswered = "the text is empty: there is nothing to predict"
    elif not math.isfinite(sum(values)):
        unanswered = f"the model's log-probability of the text is {sum(values)}"
    return TextScore(
        request_id=request.id,
        model=model,
        logprob=None if unanswered else sum(values),
        num_tokens=num_tokens,
        num_bytes=len(text.encode()),
        unanswered=unanswered,
    )
