"""Rows about a training: its course, step by step."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.contracts.rows import Count, Row

Nats = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""Mean negative log-probability, in nats per token; 0 = every token was certain."""


class TrainingStep(Row):
    """One step of a training, as it was measured. A loss plot is `loss` and `heldout_loss` over `tokens`."""

    model: str
    """Whose training: the imitator's name; small, large, target or judge where these are pre-trained."""
    phase: str
    """imitation, pretraining, or tuning (of the target on its dialogues). Steps are counted anew in each."""
    step: Count
    """Counted from 1. 0 = before the first step: a measurement of the held-out loss only."""
    tokens: Count
    """Tokens read so far in this phase: those of all blocks, replay and the last block's padding included."""
    learned_tokens: Count
    """Of them, those that were targets of the loss."""
    loss: Nats | None
    """Mean cross-entropy of the step's learned tokens, in nats; null = step 0, or nothing to learn in it."""
    learning_rate: Annotated[float, Field(ge=0.0)]
    """Of the step, not of the embeddings where these have their own; 0 at step 0."""
    grad_norm: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None
    """L2 norm of all gradients before they were clipped; null = no step was made of them."""
    heldout_loss: Nats | None = None
    """Mean cross-entropy on the dialogues kept out, in nats per learned token; null = not measured after this step."""
