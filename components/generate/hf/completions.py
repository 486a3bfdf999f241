"""Completions: requests of like length together, finished rows dropped."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from components.contracts.rows import Completion, Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.prefix import run_prefix
from components.generate.hf.sampling import Sampler, text_until
from components.generate.hf.tokens import check_length, encode, prompt_text, start_token
from components.generate.hf.work import Counts, Done, Unit

ROWS = 256


def plan(loaded: LoadedModel, requests: Sequence[Request], positions: Sequence[int]) -> list[Unit]:
    """Cut completion requests into units.

    Args:
        loaded: The model.
        requests: All requests of the run, of every kind.
        positions: Which of them are completion requests.
    """
    return [Unit("completion", tuple(positions))] if positions else []


@torch.inference_mode()
def run(loaded: LoadedModel, requests: Sequence[Request], model: str, max_rows: int) -> Done:
    """Answer the requests of one unit.

    Args:
        loaded: The model.
        requests: Those of the unit, in its order.
        model: Name of the model in the answers.
        max_rows: Rows of a batch at most; 0 = as many as suits the device.
    """
    texts = [prompt_text(loaded, request) for request in requests]
    prompts = [tokens or [start_token(loaded)] for tokens in encode(loaded, texts)]
    for request, tokens in zip(requests, prompts, strict=True):
        check_length(loaded, len(tokens) + request.max_tokens, request)
    # Long and short answers apart, then by tokens: a batch is as slow as its longest answer.
    order = sorted(range(len(requests)), key=lambda i: (requests[i].max_tokens, prompts[i]))
    made: dict[int, Completion] = {}
    rows = max_rows or ROWS
    for start in range(0, len(order), rows):
        batch = order[start : start + rows]
        written = _generate_batch(loaded, [requests[i] for i in batch], [tuple(prompts[i]) for i in batch])
        for index, (tokens, ended) in zip(batch, written, strict=True):
            made[index] = _completion(loaded, requests[index], model, tokens, ended=ended)
    return Done([made[index] for index in range(len(requests))], Counts())


def _generate_batch(
    loaded: LoadedModel, requests: Sequence[Request], prompts: Sequence[tuple[int, ...]]
) -> list[tuple[list[int], bool]]:
    prefix = run_prefix(loaded.model, prompts, min(map(len, prompts)) - 1, loaded.device)
    sampler = Sampler(loaded.model, loaded.tokenizer, requests, prefix, loaded.device)
    return sampler.run([tokens[prefix.length :] for tokens in prompts])


def _completion(loaded: LoadedModel, request: Request, model: str, tokens: Sequence[int], *, ended: bool) -> Completion:
    text = loaded.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    kept, stopped = text_until(text, request.stop)
    return Completion(
        prompt_id=request.id,
        model=model,
        prompt=request.prompt,
        text=kept,
        finish="stop" if ended or stopped else "length",
        num_tokens=len(tokens),
    )
