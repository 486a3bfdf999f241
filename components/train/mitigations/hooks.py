"""Where a mitigation reaches into the training loop: three places, each empty by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from components.train.chunking import Blocks


class Measured(NamedTuple):
    """What an objective makes of N learned tokens."""

    loss: Any
    """0-d: their sum, in nats, with a gradient."""
    cross_entropy: Any
    """0-d, detached: the sum of -log p(token), in nats, whatever is minimised. Arms are compared by it."""


class Objective(Protocol):
    """What is minimised in place of plain cross-entropy."""

    def __call__(self, batch: Blocks, logits: Any, targets: Any) -> Measured:
        """Weigh the learned tokens of some rows.

        Args:
            batch: The rows as the model read them, on its device.
            logits: (N, V) fp32, at the positions whose next token is learned, row by row.
            targets: (N,) int64: those tokens.
        """
        ...


@dataclass(frozen=True)
class Hooks:
    """What a recipe's mitigations ask of the loop. The default asks nothing: plain training, bit for bit."""

    objective: Objective | None = None
    """None = cross-entropy, by the loop's own fast path."""
    anchor: Any = None
    """The frozen model that the objective reads, if any: several processes may have to share it out too."""
    mix: Callable[[int, Blocks], Blocks] | None = None
    """(step from 0, its batch) -> the batch with what is added to it; the batch's own rows stay first, as they are."""
    attach: Callable[[Any], None] | None = None
    """Called once with the optimizer, before the first step."""
