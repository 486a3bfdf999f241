"""Items and, for each, the text that comes nearest to it by sentence BLEU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Ints
from components.overlap.bleu import MAX_ORDER, sentence_bleu
from components.overlap.item_index import build_item_index
from components.overlap.nearest import search
from components.overlap.tokens import buffer, prepared
from components.overlap.windows import UNREACHED, Best, no_best, wins


class Place(NamedTuple):
    """Where a text stands; empty = nowhere."""

    dialogue_id: str = ""
    turn: int = 0


NOWHERE = Place()


class Standing(NamedTuple):
    """What is known about one item so far: enough to go on from."""

    log_score: float
    """log of BLEU; very low before any token matched."""
    counts: tuple[int, ...]
    """Matches of orders 1 to 4, and the nearest text's length in tokens."""
    place: Place
    """The nearest text."""


UNMET = Standing(UNREACHED, (0,) * (MAX_ORDER + 1), NOWHERE)


class NearestByBleu:
    """Searches texts that pass by; knows the nearest of all that did."""

    def __init__(self, texts: Sequence[str], itself: Ints | None = None) -> None:
        """Index the items.

        Args:
            texts: One for each item.
            itself: (items): number of the text that is the item itself, which does not count; -1 or None = none is.
        """
        self._index = build_item_index(texts)
        self._itself = np.full(len(texts), -1) if itself is None else itself[self._index.order]
        self._best = no_best(len(texts))
        self._places = [NOWHERE] * len(texts)

    def resume(self, standings: Sequence[Standing]) -> None:
        """Go on from what `standings` gave, before any text is searched."""
        for row, item in enumerate(self._index.order):
            standing = standings[item]
            self._places[row] = standing.place
            self._best.log_score[row], self._best.counts[row] = standing.log_score, standing.counts

    def work(self, texts: Sequence[str], first: int) -> Callable[[], Best]:
        """What a thread has to do with texts of which the first has the number `first`."""
        # Best is replaced, never changed, so that a thread's view of it stays as it was.
        best = self._best
        return lambda: search(self._index, self._itself, buffer(map(prepared, texts)), first, best)

    def absorb(self, found: Best, places: Callable[[int], Place], first: int) -> None:
        """Take in what `work` gave; `places` tells where the k-th of its texts stands."""
        better = wins(self._best, found)
        for row in np.flatnonzero(better):
            self._places[row] = places(int(found.text[row]) - first)
        self._best = Best(
            np.where(better, found.log_score, self._best.log_score),
            np.where(better[:, None], found.counts, self._best.counts),
            np.where(better, found.text, self._best.text),
        )

    def standings(self) -> list[Standing]:
        """What is known now, in the order of the texts given."""
        found = [UNMET] * len(self._places)
        for row, item in enumerate(self._index.order):
            counts = tuple(int(value) for value in self._best.counts[row])
            found[item] = Standing(float(self._best.log_score[row]), counts, self._places[row])
        return found

    def scores(self) -> list[tuple[float, Place]]:
        """BLEU and place of each item's nearest text, in the order of the texts given."""
        lengths = np.empty(len(self._places), dtype=np.int64)
        lengths[self._index.order] = self._index.lengths
        found = []
        for standing, length in zip(self.standings(), lengths, strict=True):
            score = sentence_bleu(standing.counts[:MAX_ORDER], int(length), standing.counts[MAX_ORDER])
            # A text some 750 times as long as its item: the penalty is 0 in double precision.
            found.append((score, standing.place if score > 0.0 else NOWHERE))
        return found
