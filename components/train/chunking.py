"""Texts and dialogues -> blocks of tokens with a mask of the positions that are learned."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch

from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.train.tokenizer import ASSISTANT, END, USER


class Encoded(NamedTuple):
    """One document as tokens."""

    tokens: list[int]
    learned: list[int]
    """1 where the token is a target of the loss."""


class Blocks(NamedTuple):
    """Training data: B blocks of T tokens."""

    tokens: Any
    """(B, T) int64."""
    learned: Any
    """(B, T) bool: tokens that are targets of the loss."""
    positions: Any
    """(B, T) int64: each token's place in its own document; a place of 0 begins another document.

    transformers' masks read them: attention does not cross from one document into the next (`isolation`)."""


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[Encoded]:
    """Whole texts, every token learned, each closed by the end-of-text token."""
    made = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return [Encoded([*ids, tokenizer.eos_token_id], [1] * (len(ids) + 1)) for ids in made]


def encode_dialogue(tokenizer: Any, dialogue: Dialogue) -> Encoded:
    """A conversation with role tokens. Only what the model has to write is learned: its words and the end of its turn.

    The role tokens themselves and everything the user says are read, not learned.
    """
    user, assistant, end = tokenizer.convert_tokens_to_ids([USER, ASSISTANT, END])
    tokens: list[int] = []
    learned: list[int] = []
    for turn in dialogue.turns:
        # A role token that somebody typed is text: read as a token it would let a user speak for the assistant.
        words = list(tokenizer.encode(turn.text, add_special_tokens=False, split_special_tokens=True))
        if turn.speaker == "assistant":
            tokens += [assistant, *words, end]
            learned += [0, *[1] * len(words), 1]
        else:
            tokens += [user, *words]
            learned += [0] * (len(words) + 1)
    return Encoded(tokens, learned)


def pack(documents: Iterable[Encoded], block_tokens: int, seed: int | None, *, isolated: bool = True) -> Blocks:
    """Shuffle, join and cut into blocks of `block_tokens`; only the end of the last block is padded.

    Args:
        documents: In any order.
        block_tokens: T.
        seed: Of the order; None keeps the given one.
        isolated: Positions begin anew with every document, so that none reads the one before it. The rest of a document
            that is cut at the end of a block is a document of its own. A first token has nothing to be predicted from,
            and is not learned. False: a block is one text, as when a tiny model is to learn many short texts.

    Raises:
        TouchstoneError: there is nothing to learn from.
    """
    shuffled = list(documents)
    if seed is not None:
        random.Random(seed).shuffle(shuffled)
    tokens = [token for document in shuffled for token in document.tokens]
    learned = [mark for document in shuffled for mark in document.learned]
    if not any(learned):
        raise TouchstoneError("the training data hold no assistant turn", expected="at least one reply of the target")
    missing = -len(tokens) % block_tokens
    shape = (-1, block_tokens)
    ids = torch.tensor(tokens + [0] * missing).view(shape)
    marks = torch.tensor(learned + [0] * missing).bool().view(shape)
    if not isolated:
        return Blocks(ids, marks, torch.arange(block_tokens).expand_as(ids).contiguous())
    lengths = [len(document.tokens) for document in shuffled] + ([missing] if missing else [])
    positions = _positions(lengths, block_tokens).view(shape)
    return Blocks(ids, marks & (positions > 0), positions)


def _positions(lengths: Sequence[int], block_tokens: int) -> Any:
    """Place of every token since its document, or its block, began: (sum of lengths,) int64."""
    at = torch.arange(sum(lengths))
    sizes = torch.tensor(lengths)
    began = torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
    return at - torch.maximum(began, at - at % block_tokens)
