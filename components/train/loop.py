"""The training loop: any causal LM, deterministic by seed, set down and taken up at any step, in any number of
processes."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import torch
from tqdm import tqdm

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.workplace import Workplace
from components.train.chunking import Blocks
from components.train.engines.engine import Engine
from components.train.heldout import HeldOut
from components.train.isolation import check_isolation
from components.train.losses import LearnedLoss
from components.train.mitigations.hooks import Hooks
from components.train.mitigations.params import Mitigation
from components.train.optimizers import AdamwParameterScaled
from components.train.precision import arithmetic, recomputing
from components.train.recipe import STUDY_WEIGHT_DECAY, Recipe
from components.train.speed import Speed
from components.train.state import TrainingState, restore, take, writer

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
        self.optimizer = self.engine.adopt(model, optimizer_of(model, recipe), recipe.max_grad_norm)
        if hooks.attach is not None:
            hooks.attach(self.optimizer)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.per_epoch = math.ceil(len(blocks.tokens) / recipe.batch_size)
        self.num_steps = self.per_epoch * recipe.epochs
        self.losses: list[float] = []
        self.speed = Speed(model, recipe.precision)

    def run(self, *, workplace: Workplace | None = None, state_seconds: float = 300.0, doing: str = "training") -> None:
        """Train to the end, from the workplace's last state where it has one; `losses` then holds every step's.

        Args:
            workplace: Where states are kept; None = nowhere.
            state_seconds: Between two states. They are copied at once and written in the background.
            doing: Says so on the progress bar.

        Raises:
            TouchstoneError: the loss is no longer a number, or exploded; the states before it are kept.
            Stopped: SIGTERM came; the state is kept.
        """
        self.model.train()
        group = self.engine.group
        if group.hear(workplace is not None):
            self._take_up(workplace)
        if self.held_out is not None and not self.losses:
            self.held_out.after(0, self.num_steps, self.loss)
        kept = time.monotonic()
        self.speed = Speed(self.model, self.recipe.precision)
        with (
            _terminated() as asked,
            recomputing(self.model, self.recipe.recompute),
            tqdm(
                total=self.num_steps,
                initial=len(self.losses),
                desc=doing,
                disable=None if group.chief else True,
                leave=False,
            ) as bar,
        ):
            self._reached(len(self.losses))
            for batch in self._batches(len(self.losses)):
                self._step(batch)
                if self.held_out is not None:
                    self.held_out.after(len(self.losses), self.num_steps, self.loss)
                self._reached(len(self.losses))
                bar.update()
                self.speed.step(batch, self.loss.work)
                bar.set_postfix(loss=f"{self.losses[-1]:.3f}", **self.speed.shown(), refresh=False)
                due = time.monotonic() - kept >= state_seconds and workplace is not None and not workplace.busy
                # One process asked to end, or the chief's clock, decides for all.
                ending, keeping = group.total([asked.is_set(), due])
                if ending:
                    self._set_down(workplace)
                if keeping and len(self.losses) < self.num_steps:
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
            self.losses = restore(folder, self.model, self.optimizer)
            if self.held_out is not None:
                self.held_out.restore(folder)

    def _keep(self, workplace: Workplace | None) -> None:
        taken = take(self.model, self.optimizer, self.losses)
        if workplace is None:
            return  # taking part was enough: the chief keeps it
        write = writer(taken)
        write = self.held_out.beside(write) if self.held_out is not None else write
        workplace.save(len(self.losses), TrainingState, write)

    def _set_down(self, workplace: Workplace | None) -> None:
        if self.engine.group.hear(workplace is not None):
            self._keep(workplace)
        lost = "" if not self.engine.group.chief else "no place to keep it was given"
        if workplace is not None:
            workplace.wait()
            lost = workplace.problem
        raise Stopped(
            f"the training was told to end after step {len(self.losses)} of {self.num_steps}"
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
            group["lr"] = peak * self.recipe.rate(len(self.losses), self.num_steps)
        self.engine.begin_step(self.seed, len(self.losses))
        # A batch may consist of users' words only; it teaches nothing and must not divide by zero.
        total = int(batch.learned[:, 1:].sum())
        value = self._backward(batch, total) if total else 0.0
        [value] = self.engine.group.total([value])
        self._check(value)
        if total:
            self.engine.change(self.model, self.optimizer, self.recipe.max_grad_norm)
        self.losses.append(value)

    def _backward(self, batch: Blocks, total: int) -> float:
        """Gradients of the whole batch, a part of it at a time; the parts' sums are divided by the whole's tokens."""
        value = 0.0
        for part in self.engine.parts(batch, self.recipe.rows_at_once):
            with self.loss.of(part, total) as measured:
                if measured is None:
                    self.engine.idle(self.model, part)
                    continue
                self.engine.backward(measured.loss)
                value += float(measured.cross_entropy)
        return value

    def _check(self, value: float) -> None:
        last = [*self.losses[1 - EXPLODED_STEPS :], value] if len(self.losses) >= EXPLODED_STEPS else []
        exploded = bool(last) and all(loss > EXPLODED * self.losses[0] for loss in last)
        if math.isfinite(value) and not exploded:
            return
        step = len(self.losses) + 1
        raise TouchstoneError(
            f"the loss exploded: {value:.3g} at step {step}, {self.losses[0]:.3g} at the first"
            if exploded
            else f"the training loss is no longer a number at step {step}",
            expected="a finite loss that falls",
            remedy=f"lower learning_rate (now {self.recipe.learning_rate}) or lengthen the warm-up",
        )


def fit(model: Any, blocks: Blocks, recipe: Recipe, *, seed: int, doing: str = "training") -> list[float]:
    """Train in place, in one go; gives the loss of every step, in nats per learned token.

    Raises:
        UsageError: the recipe asks for a mitigation: there is no base yet to keep anything of.
        TouchstoneError: as `Training`.
    """
    if recipe.mitigation != Mitigation():
        raise UsageError("a recipe for pre-training asks for a mitigation", expected="mitigations in `train` only")
    training = Training(model, blocks, recipe, seed=seed)
    training.run(doing=doing)
    return training.losses


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


@contextmanager
def _terminated() -> Iterator[threading.Event]:
    """Set when SIGTERM comes, between two steps instead of in the middle of one."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may handle signals
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
