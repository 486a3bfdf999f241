"""Requests -> tokens, with the seam between prompt and choice where lm-evaluation-harness puts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel


class Scored(NamedTuple):
    """One choice of one request as tokens: context, then continuation."""

    request: int
    choice: int
    tokens: tuple[int, ...]
    num_scored: int


def prompt_text(loaded: LoadedModel, request: Request) -> str:
    """A request's prompt as the model reads it.

    Raises:
        TouchstoneError: a chat request without a chat template.
    """
    if not request.chat:
        return request.prompt
    if not loaded.tokenizer.chat_template:
        if loaded.plain_chat:
            return loaded.plain_chat.format(prompt=request.prompt)
        raise TouchstoneError(
            f"request {request.id} asks for a chat, and the checkpoint's tokenizer has no chat template",
            expected="a fine-tuned checkpoint, or a raw prompt",
            remedy="ask base models with chat: false, or give plain_chat",
        )
    message = [{"role": "user", "content": request.prompt}]
    return str(loaded.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))


def encode(loaded: LoadedModel, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of every text, without special tokens of the tokenizer's own."""
    if not texts:
        return []
    return [list(ids) for ids in loaded.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def start_token(loaded: LoadedModel) -> int:
    """What an empty context is predicted from.

    Raises:
        TouchstoneError: the tokenizer has neither a beginning nor an end token.
    """
    for candidate in (loaded.tokenizer.bos_token_id, loaded.tokenizer.eos_token_id):
        if candidate is not None:
            return int(candidate)
    raise TouchstoneError("the tokenizer has neither a beginning nor an end token", expected="one of them")


def scored_choices(loaded: LoadedModel, requests: Sequence[Request]) -> list[Scored]:
    """Tokens of every choice. White space at the seam belongs to the continuation, as in lm-evaluation-harness."""
    prompts = [prompt_text(loaded, request) for request in requests]
    before = encode(loaded, [prompt.rstrip() for prompt in prompts])
    pairs = [(i, c) for i, request in enumerate(requests) for c in range(len(request.choices))]
    whole = encode(loaded, [prompts[i] + requests[i].choices[c] for i, c in pairs])
    made = []
    for (i, c), tokens in zip(pairs, whole, strict=True):
        context = before[i] or [start_token(loaded)]
        continuation = tokens[len(before[i]) :]
        if not continuation:
            raise TouchstoneError(
                f"request {requests[i].id}: choice {requests[i].choices[c]!r} adds no token to its prompt",
                expected="choices that begin where the prompt's last token ends, usually with a space",
            )
        made.append(Scored(i, c, (*context, *continuation), len(continuation)))
    return made


def check_length(loaded: LoadedModel, length: int, request: Request) -> None:
    """Refuse what does not fit the model's context.

    Raises:
        TouchstoneError: it does not.
    """
    limit = loaded.context_tokens
    if limit is not None and length > limit:
        raise TouchstoneError(
            f"request {request.id} needs {length} tokens of context",
            expected=f"at most {limit}, the model's limit",
            remedy="use fewer shots or a smaller max_tokens",
        )
