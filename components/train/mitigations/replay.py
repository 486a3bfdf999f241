"""Pre-training text beside the imitation data: added to every batch, in place of nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch

from components.contracts.errors import TouchstoneError
from components.train.chunking import Blocks, Encoded, encode_texts, pack
from components.train.recipe import Recipe

TEXTS_AT_ONCE = 256


def replayed(tokenizer: Any, texts: Sequence[str], imitation_tokens: int, recipe: Recipe, seed: int) -> Blocks:
    """Blocks of pre-training text that make up the recipe's share of all tokens, padding not counted.

    With a share r and n tokens of imitation, r / (1 - r) * n tokens, rounded; the last text is cut there.

    Args:
        tokenizer: The model's.
        texts: The corpus; which of it is replayed, and in which order, is drawn from the seed.
        imitation_tokens: n: everything in the dialogues, learned or read.
        recipe: Share, length of blocks, isolation.
        seed: Of the choice.

    Raises:
        TouchstoneError: the corpus holds fewer tokens than that.
    """
    share = recipe.mitigation.replay_share
    wanted = round(share / (1.0 - share) * imitation_tokens)
    chosen = random.Random(seed).sample(list(texts), len(texts))
    documents: list[Encoded] = []
    count = 0
    for start in range(0, len(chosen), TEXTS_AT_ONCE):
        for document in encode_texts(tokenizer, chosen[start : start + TEXTS_AT_ONCE]):
            taken = Encoded(*(part[: wanted - count] for part in document))
            documents.append(taken)
            count += len(taken.tokens)
            if count >= wanted > 0:
                return pack(documents, recipe.block_tokens, None, isolated=recipe.isolated)
    raise TouchstoneError(
        f"{wanted} tokens of replay make a share of {share}, and the corpus of replay holds {count}",
        expected="as many tokens of pre-training text, and at least one",
        remedy="give a larger corpus as `replay`, or lower replay_share",
    )


class Mix:
    """Spreads the replayed blocks evenly over the steps of every epoch. Batches keep their own rows, in their order."""

    def __init__(self, blocks: Blocks, *, steps_an_epoch: int, seed: int) -> None:
        """Make ready; each epoch has all blocks once, in an order of its own drawn from `seed`."""
        self._blocks, self._steps, self._seed = blocks, steps_an_epoch, seed
        self._order: tuple[int, Any] = (-1, None)

    def __call__(self, step: int, batch: Blocks) -> Blocks:
        """The batch of `step`, counted from 0, with this step's part of the replay behind it."""
        epoch, place = divmod(step, self._steps)
        num = len(self._blocks.tokens)
        picked = self._drawn(epoch)[place * num // self._steps : (place + 1) * num // self._steps]
        return Blocks(*(torch.cat([own, added[picked]]) for own, added in zip(batch, self._blocks, strict=True)))

    def _drawn(self, epoch: int) -> Any:
        if self._order[0] != epoch:
            # By epoch, not by what came before: a training taken up in the middle draws the same.
            generator = torch.Generator().manual_seed(random.Random(f"{self._seed} {epoch}").getrandbits(63))
            self._order = (epoch, torch.randperm(len(self._blocks.tokens), generator=generator))
        return self._order[1]
