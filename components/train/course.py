"""The course of a training: what is known of every step, kept in its states and written as rows at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from components.contracts.training_rows import TrainingStep


class Step(NamedTuple):
    """One step that was made."""

    loss: float
    """Mean cross-entropy of its learned tokens, in nats; 0 where it had none."""
    rate: float
    """Learning rate, of all but the embeddings."""
    norm: float | None
    """Of the gradients before clipping; None where nothing was learned."""
    tokens: int
    """In its blocks, those of all processes."""
    learned: int
    """Of them, targets of the loss."""


def as_json(steps: Sequence[Step]) -> list[list[Any]]:
    """For a state's file."""
    return [list(step) for step in steps]


def from_json(kept: Sequence[Sequence[Any]]) -> list[Step]:
    """What `as_json` gave."""
    return [Step(*step) for step in kept]


def rows(
    steps: Sequence[Step], *, model: str, phase: str, held_out: Mapping[int, float] | None = None
) -> Iterator[TrainingStep]:
    """One row a step, and one before the first where the held-out loss was measured there.

    Args:
        steps: From the first on.
        model: Whose.
        phase: See `TrainingStep`.
        held_out: Step -> loss, where it was measured.
    """
    measured = held_out or {}
    whole = {"model": model, "phase": phase}
    if 0 in measured:
        yield TrainingStep(
            **whole,
            step=0,
            tokens=0,
            learned_tokens=0,
            loss=None,
            learning_rate=0.0,
            grad_norm=None,
            heldout_loss=measured[0],
        )
    tokens = learned = 0
    for number, step in enumerate(steps, 1):
        tokens, learned = tokens + step.tokens, learned + step.learned
        yield TrainingStep(
            **whole,
            step=number,
            tokens=tokens,
            learned_tokens=learned,
            loss=max(0.0, step.loss) if step.learned else None,
            learning_rate=step.rate,
            grad_norm=step.norm,
            heldout_loss=measured.get(number),
        )
