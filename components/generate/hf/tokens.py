"""Requests -> tokens, each where lm-evaluation-harness (0.4.13) puts it: beginnings, seams and cuts alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel

DEFAULT_CONTEXT_TOKENS = 2048
"""The reference's limit for a model that names none."""
UNLIMITED = int(1e30)
"""What transformers' tokenizers say when they know no limit."""


class Scored(NamedTuple):
    """One choice of one request as tokens."""

    request: int
    """Position in the requests asked for."""
    choice: int
    context: tuple[int, ...]
    """What the choice follows, at least one token; already cut to the model's context."""
    continuation: tuple[int, ...]
    """The choice, at least one token."""
    cut: int
    """Tokens cut off the context's left side."""

    @property
    def read(self) -> tuple[int, ...]:
        """What the model reads: the last token is predicted, never read."""
        return self.context + self.continuation[:-1]


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
    """Tokens of every text, begun as the tokenizer begins a text (Llama's do so with a token of their own).

    A text that already begins with that token, as a chat template writes it, does not get a second one.
    """
    tokenizer = loaded.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    begun = tokenizer.decode([first]) if first is not None else None
    whole = [begun is not None and text.startswith(begun) for text in texts]
    made: list[list[int]] = [[] for _ in texts]
    for special in (True, False):
        where = [index for index, done in enumerate(whole) if done is not special]
        for index, tokens in zip(where, _tokens(loaded, [texts[i] for i in where], special=special), strict=True):
            made[index] = tokens
    return made


def _tokens(loaded: LoadedModel, texts: Sequence[str], *, special: bool) -> list[list[int]]:
    # Prompts longer than the model's context are expected; they are cut and counted, so a warning would be noise.
    if not texts:
        return []
    found = loaded.tokenizer(
        list(texts), add_special_tokens=special, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )
    return [list(ids) for ids in found["input_ids"]]


def start_token(loaded: LoadedModel) -> int:
    """What an empty context is predicted from.

    Raises:
        TouchstoneError: the tokenizer has neither a beginning nor an end token.
    """
    for candidate in (loaded.tokenizer.bos_token_id, loaded.tokenizer.eos_token_id):
        if candidate is not None:
            return int(candidate)
    raise TouchstoneError("the tokenizer has neither a beginning nor an end token", expected="one of them")


def context_limit(loaded: LoadedModel) -> int:
    """Longest input in tokens: the config's word for it, else the tokenizer's, else `DEFAULT_CONTEXT_TOKENS`."""
    config = getattr(loaded.model.config, "text_config", None) or loaded.model.config
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        if (named := getattr(config, name, None)) is not None:
            return int(named)
    named = getattr(loaded.tokenizer, "model_max_length", None)
    return int(named) if named is not None and named < UNLIMITED else DEFAULT_CONTEXT_TOKENS


def scored_choices(loaded: LoadedModel, requests: Sequence[Request]) -> list[Scored]:
    """Tokens of every choice of every request, in order.

    White space at the end of a prompt belongs to the choice. What does not fit the model's context is cut off the
    left; of a choice that alone is longer, as many tokens remain as there are.

    Raises:
        TouchstoneError: a choice adds no token to its prompt.
    """
    prompts = [prompt_text(loaded, request) for request in requests]
    before = encode(loaded, [prompt.rstrip() for prompt in prompts])
    pairs = [(i, c) for i, request in enumerate(requests) for c in range(len(request.choices))]
    full = [(i, c) for i, c in pairs if prompts[i]]
    whole = dict(zip(full, encode(loaded, [prompts[i] + requests[i].choices[c] for i, c in full]), strict=True))
    alone = [(i, c) for i, c in pairs if not prompts[i]]
    bare = dict(zip(alone, _tokens(loaded, [requests[i].choices[c] for i, c in alone], special=False), strict=True))
    made, limit = [], context_limit(loaded)
    for i, c in pairs:
        if prompts[i]:
            context, continuation = before[i], whole[i, c][len(before[i]) :]
            if not context:
                # A prompt of nothing but white space, which the reference cannot score.
                context = [start_token(loaded)]
        else:
            context, continuation = [start_token(loaded)], bare[i, c]
            if continuation[:1] == context:
                continuation = continuation[1:]
        if not continuation:
            raise TouchstoneError(
                f"request {requests[i].id}: choice {requests[i].choices[c]!r} adds no token to its prompt",
                expected="choices that begin where the prompt's last token ends, usually with a space",
            )
        cut = max(0, min(len(context) + len(continuation) - limit - 1, len(context) - 1))
        made.append(Scored(i, c, tuple(context[cut:]), tuple(continuation), cut))
    return made
