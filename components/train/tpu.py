"""Training on a TPU chip by torch_xla, in an image of its own (`images/train-tpu`). Nothing else imports torch_xla.

XLA compiles a program for every shape it meets, which takes far longer than a step. So every step here has one shape:
the last batch is filled up with rows of which nothing is learned, and a row's loss is weighted by what is learned of
it, where other devices pick the learned positions out. The numbers are the same within float noise.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import torch

from components.contracts.errors import TouchstoneError
from components.contracts.workplace import Workplace
from components.train.chunking import Blocks
from components.train.engines.engine import Engine
from components.train.heldout import HeldOut
from components.train.isolation import check_isolation
from components.train.loop import Training, optimizer_of
from components.train.mitigations.hooks import Hooks
from components.train.mitigations.params import Mitigation
from components.train.recipe import Recipe
from components.train.speed import Speed, Work
from components.train.watching.watch import Place


def device() -> Any:
    """The chip of this process; torch_xla's CPU device where PJRT_DEVICE=CPU.

    Raises:
        TouchstoneError: torch_xla is not installed, or finds no device.
    """
    try:
        return _torch_xla().device()
    except (ImportError, RuntimeError) as error:
        raise TouchstoneError(
            f"no TPU can be used here: {str(error).splitlines()[0]}",
            expected="torch_xla and a TPU, as in the image train-tpu on a TPU node",
            remedy="train in the runtime touchstone-tpu (cluster.runtime), or on another device",
        ) from error


class _Counted:
    """Stands where other trainings count the work of their forward passes: here all of every batch is computed."""

    work = Work()


class TpuTraining(Training):
    """A training whose steps all have one shape."""

    def __init__(
        self, model: Any, blocks: Blocks, recipe: Recipe, *, seed: int, held_out: HeldOut | None = None
    ) -> None:
        """Make ready to train `model` on the chip; it is moved there.

        Raises:
            TouchstoneError: as `Training`, or the recipe asks for what is not made for TPUs.
        """
        if recipe.mitigation != Mitigation() or recipe.precision != "float32" or held_out is not None:
            raise TouchstoneError(
                "mitigations, held-out dialogues and precision bfloat16 are not made for TPUs",
                expected="a recipe with none of them",
                remedy="leave mitigation, precision and heldout_share out, or train on a GPU",
            )
        if recipe.isolated:
            check_isolation(model, blocks)
        self.model = model.to(device())
        self.model.tie_weights()  # moving a model to an XLA device parts what was tied
        self.blocks, self.recipe, self.seed = blocks, recipe, seed
        self.hooks, self.held_out, self.engine, self.loss = Hooks(), None, Engine(), _Counted()  # type: ignore[assignment]
        self.optimizer = optimizer_of(self.model, recipe)
        self.peaks = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.per_epoch = math.ceil(len(blocks.tokens) / recipe.batch_size)
        self.num_steps = self.per_epoch * recipe.epochs
        self.steps = []
        self._workplace = None
        self.speed = Speed(self.model, recipe.precision)

    def run(
        self,
        *,
        workplace: Workplace | None = None,
        state_seconds: float = 300.0,
        place: Place = Place(),  # noqa: B008 - frozen
    ) -> None:
        """As `Training.run`; the model is on the CPU afterwards."""
        super().run(workplace=workplace, state_seconds=state_seconds, place=place)
        self.model = self.model.cpu()
        self.model.tie_weights()

    def _step(self, batch: Blocks) -> None:
        super()._step(batch)
        _sync()

    def _backward(self, batch: Blocks, total: int) -> float:
        rows = min(self.recipe.rows_at_once or self.recipe.batch_size, self.recipe.batch_size)
        filled = _filled(batch, math.ceil(self.recipe.batch_size / rows) * rows)
        value = 0.0
        for start in range(0, len(filled.tokens), rows):
            tokens, learned, positions = (part[start : start + rows].to(self.model.device) for part in filled)
            said = self.model(input_ids=tokens, position_ids=positions, use_cache=False).logits
            losses = torch.nn.functional.cross_entropy(
                said[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
            )
            loss = (losses * learned[:, 1:].flatten()).sum() / total
            loss.backward()
            _sync()
            value += float(loss.detach())
        return value


def _filled(batch: Blocks, rows: int) -> Blocks:
    """The batch with rows of which nothing is learned after it, `rows` in all."""
    missing = rows - len(batch.tokens)
    if not missing:
        return batch
    again = Blocks(*(part[:1].expand(missing, -1) for part in batch))
    blank = Blocks(again.tokens, torch.zeros_like(again.learned), again.positions)
    return Blocks(*(torch.cat(parts) for parts in zip(batch, blank, strict=True)))


def _sync() -> None:
    """Run what was written down so far, as one program."""
    _torch_xla().sync()


def _torch_xla() -> Any:
    # By name: where the rest of the project is checked and tested it cannot be installed.
    return importlib.import_module("torch_xla")
