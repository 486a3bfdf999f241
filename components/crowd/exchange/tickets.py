"""How a pair goes out and comes back: under a ticket that says which pair it is and which side is which.

Ids of pairs may name a model, so files carry tickets alone. A ticket is a digest of the pair's content and sides: a
file that belongs to another study, or to texts that were changed since, is known by it. It begins with a letter that
no number has, so that a spreadsheet leaves it alone (`12e5` would become 1200000).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from components.contracts import canonical
from components.contracts.crowd_rows import StudyPair
from components.crowd.study.design import says_the_same


class Shown(NamedTuple):
    """A pair as it goes out."""

    ticket: str
    pair: StudyPair
    model_left: bool
    """Whether the output of `pair.model` is on the left."""

    @property
    def left(self) -> str:
        """Text of the left side."""
        return self.pair.output if self.model_left else self.pair.opponent_output

    @property
    def right(self) -> str:
        """Text of the right side."""
        return self.pair.opponent_output if self.model_left else self.pair.output


def shown_pairs(pairs: Iterable[StudyPair], *, turned: bool = False) -> list[Shown]:
    """The pairs in a shuffled order, repeats last, on sides drawn by the study's seed; without one text shown twice.

    Args:
        pairs: The study.
        turned: The other edition: every pair's sides swapped. Half of the raters with each cancels a love of one side.
    """
    found = [_shown(pair, _model_left(pair) != turned) for pair in pairs if not says_the_same(pair)]
    return sorted(found, key=lambda shown: (shown.pair.kind == "repeat", _draw("order", shown.pair)))


def by_ticket(pairs: Iterable[StudyPair]) -> dict[str, Shown]:
    """Every ticket of a study, of both editions."""
    return {shown.ticket: shown for pair in pairs for shown in (_shown(pair, True), _shown(pair, False))}


def _shown(pair: StudyPair, model_left: bool) -> Shown:
    content = canonical.digest({"pair": pair.model_dump(mode="json"), "model_left": model_left})
    return Shown(f"t{content[:20]}", pair, model_left)


def _model_left(pair: StudyPair) -> bool:
    # A repeat stands the other way round than what it repeats.
    turned = pair.kind == "repeat"
    original = pair.model_copy(update={"pair_id": pair.repeats}) if turned else pair
    return bool(_draw("side", original)[0] & 1) != turned


def _draw(what: str, pair: StudyPair) -> bytes:
    return hashlib.sha256(f"sheet|{what}|{pair.seed}|{pair.pair_id}".encode()).digest()
