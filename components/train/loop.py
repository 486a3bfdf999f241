"""The training loop: any causal LM, deterministic by seed, set down and taken up at any step, in any number of
processes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import torch

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.workplace import Workplace
from components.train.chunking import Blocks
from components.train.course import Step
from components.train.engines.engine import Engine
from components.train.heldout import HeldOut
from components.train.isolation import check_isolation
from components.train.losses import LearnedLoss
from components.train.mitigations.hooks import Hooks
from components.train.mitigations.params import Mitigation
from components.train.optimizers import AdamwParameterScaled
from components.train.precision import arithmetic, recomputing
from components.train.recipe import STUDY_WEIGHT_DECAY, Recipe
from components.train.signals import terminated
from components.train.speed import Speed
from components.train.state import TrainingState, restore, take, writer
from components.train.watching.watch import Place, Watch

EXPLODED = 4.0
"""A loss so many times the first one, three steps in a row, comes to nothing any more."""
EXPLODED_STEPS = 3


class Stopped(TouchstoneError):
    """The process was asked to end (SIGTERM: a node is drained, a pod preempted); its state is kept."""

    exit_code: ClassVar[int] = 143


class Training:
    """A model being trained: everything that a step reads and changes."""

    def __init__(
        self,
        model: Any,
        blocks: Blocks,
        recipe: Recipe,
        *,
        seed: int,
        hooks: Hooks = Hooks(),  # noqa: B008 - frozen, and empty
        held_out: HeldOut | None = None,
        engine: Engine | None = None,
    ) -> None:
        """Make ready to train `model` in place; the order of blocks is drawn from `seed`.

        Args:
            model: Any causal LM.
            blocks: What is learned.
            recipe: How.
            seed: Of the order.
            hooks: What the recipe's mitigations ask for.
            held_out: Dialogues whose loss is measured on the way.
            engine: What this process holds of the model, and whom it trains with; None = all of it, alone.

        Raises:
            TouchstoneError: the model reads across documents that the recipe wants apart.
        """
        self.model, self.blocks, self.recipe, self.seed = model, blocks, recipe, seed
        self.hooks, self.held_out = hooks, held_out
        if recipe.isolated:
            check_isolation(model, blocks)
        # What is exact for this model is tried on the whole of it, before an engine takes it apart.
        self.loss = LearnedLoss(
            model,
            isolated=recipe.isolated,
            block_tokens=recipe.block_tokens,
            objective=hooks.objective,
            context=partial(arithmetic, recipe.precision, model.device),
        )
        self.engine = engine or Engine()
        self.model = model = self.engine.place(model)
        if hooks.anchor is not None:
            self.engine.place_frozen(hooks.anchor)
        self.optimizer = self.engine.adopt(model, optimizer_of(model, recipe), recipe.max_grad_norm)
        if hooks.attach is not None:
            hooks.attach(self.optimizer)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.per_epoch = math.ceil(len(blocks.tokens) / recipe.batch_size)
        self.num_steps = self.per_epoch * recipe.epochs
        self.steps: list[Step] = []
        self._workplace: Workplace | None = None
        self.speed = Speed(model, recipe.precision)

    @property
    def losses(self) -> list[float]:
        """Of every step made, in nats per learned token."""
        return [step.loss for step in self.steps]

    def run(
        self,
        *,
        workplace: Workplace | None = None,
        state_seconds: float = 300.0,
        place: Place = Place(),  # noqa: B008 - frozen
    ) -> None:
        """Train to the end, from the workplace's last state where it has one; `steps` then holds every step.

        Args:
            workplace: Where states are kept; None = nowhere.
            state_seconds: Between two states. They are copied at once and written in the background.
            place: Under which name it is watched.

        Raises:
            TouchstoneError: loss or gradients are no longer numbers, or the loss exploded; the states before are kept.
            Stopped: SIGTERM came; the state is kept.
        """
        self.model.train()
        self._workplace = workplace
        group = self.engine.group
        if group.hear(workplace is not None):
            self._take_up(workplace)
        if self.held_out is not None and not self.steps:
            self.held_out.after(0, self.num_steps, self.loss)
        kept = time.monotonic()
        self.speed = Speed(self.model, self.recipe.precision)
        done = len(self.steps)
        watch = Watch(place, done=done, num_steps=self.num_steps, speed=self.speed, chief=group.chief)
        with terminated() as asked, recomputing(self.model, self.recipe.recompute), watch:
            if self.held_out is not None and self.held_out.at(0) is not None:
                watch.measured(self.held_out.curve[0][1])
            self._reached(done)
            for batch in self._batches(done):
                self._step(batch)
                if self.held_out is not None:
                    self.held_out.after(len(self.steps), self.num_steps, self.loss)
                self._reached(len(self.steps))
                self.speed.step(batch, self.loss.work)
                watch.step(self.steps[-1], self.held_out.at(len(self.steps)) if self.held_out is not None else None)
                due = time.monotonic() - kept >= state_seconds and workplace is not None and not workplace.busy
                # One process asked to end, or the chief's clock, decides for all.
                ending, keeping = group.total([asked.is_set(), due])
                if ending:
                    self._set_down(workplace)
                # What may be about to explode must not take the place of the last good state.
                if keeping and len(self.steps) < self.num_steps and not self._exploding(self.steps[-1].loss):
                    with self.speed.stalled():
                        self._keep(workplace)
                    kept = time.monotonic()
        self.model = self.engine.plain(self.model)

    def _reached(self, step: int) -> None:
        """Called with the number of steps made: before the first of a run, and after each, before its state is kept.

        For trainings that do something between two steps; the weights must be left as they are.
        """

    def _take_up(self, workplace: Workplace | None) -> None:
        state = workplace.newest(TrainingState) if workplace is not None else None
        if self.engine.group.hear(state is not None):
            folder = state.folder if state is not None else None
            self.steps = restore(folder, self.model, self.optimizer)
            if self.held_out is not None:
                self.held_out.restore(folder)

    def _keep(self, workplace: Workplace | None) -> None:
        taken = take(self.model, self.optimizer, self.steps)
        if workplace is None:
            return  # taking part was enough: the chief keeps it
        write = writer(taken)
        write = self.held_out.beside(write) if self.held_out is not None else write
        workplace.save(len(self.steps), TrainingState, write)

    def _set_down(self, workplace: Workplace | None) -> None:
        if self.engine.group.hear(workplace is not None):
            self._keep(workplace)
        lost = "" if not self.engine.group.chief else "no place to keep it was given"
        if workplace is not None:
            workplace.wait()
            lost = workplace.problem
        raise Stopped(
            f"the training was told to end after step {len(self.steps)} of {self.num_steps}"
            + (f", and its state could not be kept: {lost}" if lost else ""),
            remedy="run the same command again: it goes on from there",
        )

    def _batches(self, done: int) -> Iterator[Blocks]:
        """Batches of the steps that are left; the order hangs on the seed alone, wherever the training was set down."""
        order = torch.Generator().manual_seed(self.seed)
        step = 0
        for _ in range(self.recipe.epochs):
            num = len(self.blocks.tokens)
            given = self.recipe.data_order == "given"
            drawn = torch.arange(num) if given else torch.randperm(num, generator=order)
            for picked in drawn.split(self.recipe.batch_size):
                step += 1
                if step > done:
                    batch = Blocks(*(part[picked] for part in self.blocks))
                    yield self.hooks.mix(step - 1, batch) if self.hooks.mix is not None else batch

    def _step(self, batch: Blocks) -> None:
        """One change of the weights: loss = mean cross-entropy, in nats, over all learned tokens of the batch."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self.recipe.rate(len(self.steps), self.num_steps)
        self.engine.begin_step(self.seed, len(self.steps))
        # A batch may consist of users' words only; it teaches nothing and must not divide by zero.
        total = int(batch.learned[:, 1:].sum())
        value = self._backward(batch, total) if total else 0.0
        [value] = self.engine.group.total([value])
        self._check(value)
        norm = None
        if total:
            norm = float(self.engine.change(self.model, self.optimizer, self.recipe.max_grad_norm))
            if not math.isfinite(norm):
                raise self._diverged(f"the norm of the gradients is no longer a number at step {len(self.steps) + 1}")
        rate = float(self.optimizer.param_groups[-1]["lr"])
        self.steps.append(Step(value, rate, norm, batch.tokens.numel(), total))

    def _backward(self, batch: Blocks, total: int) -> float:
        """Gradients of the whole batch, a part of it at a time; the parts' sums are divided by the whole's tokens."""
        value = 0.0
        for part in self.engine.parts(batch, self.recipe.rows_at_once):
            with self.loss.of(part, total) as measured:
                if measured is None:
                    self.engine.idle(self.model, part, self.hooks.anchor)
                    continue
                self.engine.backward(measured.loss)
                value += float(measured.cross_entropy)
        self.engine.send()
        return value

    def _check(self, value: float) -> None:
        step = len(self.steps) + 1
        if not math.isfinite(value):
            raise self._diverged(f"the training loss is no longer a number at step {step}")
        last = [*(made.loss for made in self.steps[1 - EXPLODED_STEPS :]), value]
        if len(self.steps) >= EXPLODED_STEPS and all(map(self._exploding, last)):
            first = self.steps[0].loss
            raise self._diverged(f"the loss exploded: {value:.3g} at step {step}, {first:.3g} at the first")

    def _exploding(self, loss: float) -> bool:
        # A batch in which nothing is learned has no loss to compare with.
        first = next((made.loss for made in self.steps if made.learned), loss)
        return loss > EXPLODED * first

    def _diverged(self, found: str) -> TouchstoneError:
        """The failure, with what is left."""
        state = self._workplace.newest(TrainingState) if self._workplace is not None else None
        left = f"; weights and moments after step {state.number} are kept in {state.folder}" if state else ""
        return TouchstoneError(
            found + left,
            expected="a finite loss that falls",
            remedy=f"lower learning_rate (now {self.recipe.learning_rate}) or lengthen the warm-up",
        )


def fit(model: Any, blocks: Blocks, recipe: Recipe, *, seed: int, doing: str = "training") -> list[Step]:
    """Train in place, in one go; gives every step.

    Raises:
        UsageError: the recipe asks for a mitigation: there is no base yet to keep anything of.
        TouchstoneError: as `Training`.
    """
    if recipe.mitigation != Mitigation():
        raise UsageError("a recipe for pre-training asks for a mitigation", expected="mitigations in `train` only")
    training = Training(model, blocks, recipe, seed=seed)
    training.run(place=Place(doing=doing))
    return training.steps


def optimizer_of(model: Any, recipe: Recipe) -> Any:
    """The recipe's optimizer over what is trained of a model; embeddings have a rate of their own."""
    # Not by `.weight`: where only some rows are trained that is no parameter.
    embedding = {id(p) for p in model.get_input_embeddings().parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in trained if id(p) in embedding],
            "lr": recipe.learning_rate * recipe.embedding_rate_ratio,
        },
        {"params": [p for p in trained if id(p) not in embedding], "lr": recipe.learning_rate},
    ]
    if recipe.optimizer == "adamw_parameter_scaled":
        decay = STUDY_WEIGHT_DECAY if recipe.weight_decay is None else recipe.weight_decay
        return AdamwParameterScaled(groups, recipe.learning_rate, weight_decay=decay)
    fused = model.device.type != "xla"
    decay = recipe.weight_decay or 0.0
    return torch.optim.AdamW(groups, betas=recipe.betas, weight_decay=decay, fused=fused, capturable=not fused)
