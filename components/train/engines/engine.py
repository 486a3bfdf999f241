"""What each of several processes holds of a model, and how their parts of a step become one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from components.train.chunking import Blocks
from components.train.engines.group import Group
from components.train.optimizers import clip_by_global_norm


class Engine:
    """One process that holds the whole model. Its subclasses share the rows of a batch, or the weights as well."""

    lockstep = False
    """Whether every process must go through the model equally often, with nothing to learn if need be."""

    def __init__(self, group: Group | None = None) -> None:
        """Work for one process of `group`; None = there is one."""
        self.group = group or Group()

    def place(self, model: Any) -> Any:
        """Make a model ready to be trained here, the same in all processes; gives what to train."""
        return model

    def place_frozen(self, model: Any) -> None:
        """Make a model ready, in place, that is read beside the trained one and never changed."""

    def begin_step(self, seed: int, step: int) -> None:
        """Draw this step's random numbers (dropout) from seed, step and process: a state need not hold them all."""
        if not self.group.alone:
            torch.manual_seed((seed << 40) ^ (step << 12) ^ self.group.rank)

    def parts(self, batch: Blocks, rows: int) -> Iterator[Blocks]:
        """This process's rows of a batch, at most `rows` at a time (0 = all of its own).

        Every world_size-th row is its own. In lockstep all processes get equally many parts: one that has no rows left
        gets a row of which nothing is learned.

        Args:
            batch: B blocks, the same in all processes.
            rows: Blocks that go through the model together.
        """
        own = Blocks(*(part[self.group.rank :: self.group.world_size] for part in batch))
        most = math.ceil(len(batch.tokens) / self.group.world_size)
        rows = rows or most
        for start in range(0, most, rows):
            part = Blocks(*(values[start : start + rows] for values in own))
            if len(part.tokens):
                yield part
            elif self.lockstep:
                yield Blocks(batch.tokens[:1], torch.zeros_like(batch.learned[:1]), batch.positions[:1])

    def idle(self, model: Any, part: Blocks, frozen: Any = None) -> None:
        """Where all go in lockstep: through the model for nothing, for the others need this one's weights.

        Args:
            model: What is trained.
            part: At least one block.
            frozen: What is read beside it, if anything: the others go through it too.
        """
        if not self.lockstep:
            return
        row = Blocks(*(values[:1].to(model.device) for values in part))
        given = {"input_ids": row.tokens, "position_ids": row.positions, "use_cache": False}
        said = model(**given).logits
        if frozen is not None:
            with torch.no_grad():
                frozen(**given)
        self.backward(said.sum() * 0.0)

    def adopt(self, model: Any, optimizer: Any, max_norm: float) -> Any:
        """Take an optimizer over; gives what a state is taken from, with the optimizer's groups."""
        return optimizer

    def backward(self, loss: Any) -> None:
        """Add the gradients of a part of a batch."""
        loss.backward()

    def send(self) -> None:
        """Called when this process has all its gradients of a step, before anything else is said to the others."""

    def add_up(self, model: Any) -> None:
        """Make the gradients those of the whole batch. Each process has divided by the whole's learned tokens."""

    def change(self, model: Any, optimizer: Any, max_norm: float) -> Any:
        """Change the weights by the gradients of all processes, and forget these; gives their norm before clipping."""
        self.add_up(model)
        norm = clip_by_global_norm(model.parameters(), max_norm)
        optimizer.step()
        optimizer.zero_grad()
        return norm

    def plain(self, model: Any) -> Any:
        """The trained model without anything of this engine; complete in the chief only."""
        return model
