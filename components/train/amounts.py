"""Where the amounts of a sweep end in data that lie in one order: each is the beginning of the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from tokenizers import Tokenizer

from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.train.chunking import Blocks

Unit = Literal["tokens", "dialogues", "steps"]
TOKENIZER_FILE = "tokenizer.json"
BATCH_TEXTS = 1024


class Cut(NamedTuple):
    """Where an amount ends."""

    amount: int
    """As it was asked for, in the unit of the sweep."""
    dialogues: int
    """Dialogues it begins to read."""
    end: int
    """Its tokens, of users and assistants: the first so many of all documents joined."""


def prefixes(dialogues: Sequence[Dialogue], amounts: Sequence[int], unit: Unit, base: Path) -> list[int]:
    """How many of the first dialogues each amount holds; for steps, which end anywhere, all of them.

    A budget of imitation tokens (words of assistants, in tokens of the base) ends before the first dialogue that would
    pass it, as `subset` cuts it.

    Raises:
        TouchstoneError: an amount is empty, or two hold the same dialogues.
    """
    if unit == "steps":
        return [len(dialogues)] * len(amounts)
    if unit == "tokens":
        totals = list(accumulate(imitation_tokens(dialogues, base)))
        held = [bisect_right(totals, amount) for amount in amounts]
    else:
        held = list(amounts)
        if amounts[-1] > len(dialogues):
            raise _too_few(f"{len(dialogues):,} dialogues", f"{amounts[-1]:,}")
    if held[0] == 0:
        raise TouchstoneError(
            f"no dialogue fits into {amounts[0]:,} {unit}", remedy="raise the smallest amount, or look at the data"
        )
    for (smaller, amount), (larger, next_amount) in pairwise(zip(held, amounts, strict=True)):
        if smaller == larger:
            raise _too_few(f"the same {smaller:,} dialogues for {amount:,} and {next_amount:,} {unit}", "more data")
    return held


def imitation_tokens(dialogues: Sequence[Dialogue], base: Path) -> list[int]:
    """Tokens of the assistant's turns of each dialogue, by the base's tokenizer as its file says.

    Raises:
        TouchstoneError: there is no such file.
    """
    path = base / TOKENIZER_FILE
    if not path.is_file():
        raise TouchstoneError(
            f"{base} has no {TOKENIZER_FILE}, by which amounts of tokens are counted",
            remedy="give the amounts as numbers of dialogues: unit: dialogues",
        )
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    owners = [(at, turn.text) for at, row in enumerate(dialogues) for turn in row.turns if turn.speaker == "assistant"]
    counts = [0] * len(dialogues)
    for start in range(0, len(owners), BATCH_TEXTS):
        part = owners[start : start + BATCH_TEXTS]
        encoded = tokenizer.encode_batch_fast([text for _, text in part], add_special_tokens=False)
        for (at, _), found in zip(part, encoded, strict=True):
            counts[at] += len(found)
    return counts


def cuts(
    amounts: Sequence[int], unit: Unit, held: Sequence[int], lengths: Sequence[int], step_tokens: int
) -> list[Cut]:
    """The ends of the amounts among the tokens.

    Args:
        amounts: Increasing.
        unit: Theirs.
        held: Dialogues of each, see `prefixes`.
        lengths: Tokens of each document.
        step_tokens: Tokens of a whole batch.

    Raises:
        TouchstoneError: the data are shorter than the largest number of steps.
    """
    totals = [0, *accumulate(lengths)]
    if unit != "steps":
        return [Cut(amount, num, totals[num]) for amount, num in zip(amounts, held, strict=True)]
    if amounts[-1] * step_tokens > totals[-1]:
        raise _too_few(f"data for {totals[-1] // step_tokens:,} whole steps", f"{amounts[-1]:,}")
    ends = [amount * step_tokens for amount in amounts]
    return [Cut(n, bisect_right(totals, end - 1), end) for n, end in zip(amounts, ends, strict=True)]


def last_blocks(blocks: Blocks, first: int, end: int, *, isolated: bool) -> Blocks:
    """The blocks from number `first` on, as they would be packed if the data ended after `end` tokens.

    The rest of the last block is padded, as `chunking.pack` does it.
    """
    width = blocks.tokens.shape[1]
    missing = -end % width
    tokens, learned, positions = (part.reshape(-1)[first * width : end] for part in blocks)
    tokens = torch.cat([tokens, tokens.new_zeros(missing)]).view(-1, width)
    learned = torch.cat([learned, learned.new_zeros(missing)]).view(-1, width)
    if not isolated:
        return Blocks(tokens, learned, blocks.positions[: len(tokens)])
    return Blocks(tokens, learned, torch.cat([positions, torch.arange(missing)]).view(-1, width))


def _too_few(found: str, wanted: str) -> TouchstoneError:
    return UsageError(
        f"the data hold {found}",
        expected=f"{wanted}: every amount larger than the one before, and the largest no larger than the data",
        remedy="leave amounts out, or cut a larger set with `touchstone data subset`",
    )
