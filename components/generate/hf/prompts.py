"""Prompts of completions as tokens, cut to the model's context, and which of them belong together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.sharing import common_length
from components.generate.hf.tokens import context_limit, encode, prompt_text, start_token

WORTH_TOKENS = 2048
"""Tokens that a group of its own must save."""
STEP_TOKENS = 16
"""Branches that differ in less than this are looked at together."""


class Prompt(NamedTuple):
    """What the model reads for one request."""

    tokens: tuple[int, ...]
    cut: int
    """Tokens left out at the left."""
    unanswered: str | None
    """Why it cannot be read at all."""


def prompts_of(loaded: LoadedModel, requests: Sequence[Request]) -> list[Prompt]:
    """Tokens of every prompt; one too long loses its left side, as in lm-evaluation-harness's generate_until.

    What is kept are the last (context - max_tokens) tokens.

    Raises:
        TouchstoneError: a chat request without a chat template.
    """
    limit = context_limit(loaded)
    made = []
    texts = [prompt_text(loaded, request) for request in requests]
    for request, tokens in zip(requests, encode(loaded, texts), strict=True):
        kept = tuple(tokens or [start_token(loaded)])
        room = limit - request.max_tokens
        if room < 1:
            reason = f"max_tokens {request.max_tokens} leaves no room for a prompt in the model's {limit} tokens"
            made.append(Prompt((), len(kept), reason))
        else:
            made.append(Prompt(kept[-room:], max(0, len(kept) - room), None))
    return made


def prefix_groups(rows: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Groups of rows, by their position, that gain from being run behind a common prefix of their own.

    Sorted rows are a tree of prefixes. A branch becomes a group of its own, and is looked into further, where what it
    shares beyond the whole saves at least `WORTH_TOKENS`; all other rows of a node stay together behind the node's
    prefix, because a batch that is not full costs more than a few tokens read twice.
    """
    order = sorted(range(len(rows)), key=lambda i: rows[i])
    seams = [common_length(rows[a], rows[b]) for a, b in itertools.pairwise(order)]
    groups: list[list[int]] = []
    waiting = [(0, len(order))] if order else []
    while waiting:
        first, last = waiting.pop()
        branches = _branches(seams, first, last)
        inside = {at for a, b in branches for at in range(a, b)}
        if rest := [order[at] for at in range(first, last) if at not in inside]:
            groups.append(rest)
        waiting.extend(reversed(branches))
    return groups


def _branches(seams: Sequence[int], first: int, last: int) -> list[tuple[int, int]]:
    """Stretches of rows first..last (exclusive) that share enough more than all of them do."""
    if last - first < 2:
        return []
    common = min(seams[first : last - 1])
    cuts = [first, *(at + 1 for at in range(first, last - 1) if seams[at] < common + STEP_TOKENS), last]
    return [
        (a, b)
        for a, b in itertools.pairwise(cuts)
        if b - a > 1 and (min(seams[a : b - 1]) - common) * (b - a) >= WORTH_TOKENS
    ]
