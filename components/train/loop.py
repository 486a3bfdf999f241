"""The training loop: one process, any causal LM, deterministic by seed, set down and taken up at any step."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from tqdm import tqdm

from components.contracts.errors import TouchstoneError
from components.contracts.workplace import Workplace
from components.train.chunking import Blocks
from components.train.isolation import check_isolation
from components.train.optimizers import AdamwParameterScaled, clip_by_global_norm
from components.train.recipe import STUDY_WEIGHT_DECAY, Recipe
from components.train.state import TrainingState, restore, take, writer

EXPLODED = 4.0
"""A loss so many times the first one, three steps in a row, comes to nothing any more."""
EXPLODED_STEPS = 3


class Stopped(TouchstoneError):
    """The process was asked to end (SIGTERM: a node is drained, a pod preempted); its state is kept."""

    exit_code: ClassVar[int] = 143


class Training:
    """A model being trained: everything that a step reads and changes."""

    def __init__(self, model: Any, blocks: Blocks, recipe: Recipe, *, seed: int) -> None:
        """Make ready to train `model` in place; the order of blocks is drawn from `seed`.

        Raises:
            TouchstoneError: the model reads across documents that the recipe wants apart.
        """
        self.model, self.blocks, self.recipe, self.seed = model, blocks, recipe, seed
        if recipe.isolated:
            check_isolation(model, blocks)
        self.optimizer = _optimizer(model, recipe)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.per_epoch = math.ceil(len(blocks.tokens) / recipe.batch_size)
        self.num_steps = self.per_epoch * recipe.epochs
        self.losses: list[float] = []

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
        if workplace is not None:
            self._take_up(workplace)
        kept = time.monotonic()
        with (
            _terminated() as asked,
            tqdm(total=self.num_steps, initial=len(self.losses), desc=doing, disable=None, leave=False) as bar,
        ):
            self._reached(len(self.losses))
            for batch in self._batches(len(self.losses)):
                self._step(batch)
                self._reached(len(self.losses))
                bar.update()
                bar.set_postfix(loss=f"{self.losses[-1]:.3f}", refresh=False)
                if asked.is_set():
                    self._set_down(workplace)
                due = time.monotonic() - kept >= state_seconds
                if workplace is not None and due and not workplace.busy and len(self.losses) < self.num_steps:
                    self._keep(workplace)
                    kept = time.monotonic()

    def _reached(self, step: int) -> None:
        """Called with the number of steps made: before the first of a run, and after each, before its state is kept.

        For trainings that do something between two steps; the weights must be left as they are.
        """

    def _take_up(self, workplace: Workplace) -> None:
        state = workplace.newest(TrainingState)
        if state is not None:
            self.losses = restore(state.folder, self.model, self.optimizer)

    def _keep(self, workplace: Workplace) -> None:
        workplace.save(len(self.losses), TrainingState, writer(take(self.model, self.optimizer, self.losses)))

    def _set_down(self, workplace: Workplace | None) -> None:
        if workplace is not None:
            self._keep(workplace)
            workplace.wait()
        lost = workplace.problem if workplace is not None else "no place to keep it was given"
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
                    yield Blocks(*(part[picked] for part in self.blocks))

    def _step(self, batch: Blocks) -> None:
        """One change of the weights: loss = mean cross-entropy, in nats, over all learned tokens of the batch."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self.recipe.rate(len(self.losses), self.num_steps)
        # A batch may consist of users' words only; it teaches nothing and must not divide by zero.
        total = int(batch.learned[:, 1:].sum())
        value = self._backward(batch, total) if total else 0.0
        self._check(value)
        if total:
            clip_by_global_norm(self.model.parameters(), self.recipe.max_grad_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.losses.append(value)

    def _backward(self, batch: Blocks, total: int) -> float:
        """Gradients of the whole batch, a part of it at a time; the parts' sums are divided by the whole's tokens."""
        rows = self.recipe.rows_at_once or len(batch.tokens)
        value = 0.0
        for start in range(0, len(batch.tokens), rows):
            tokens, learned, positions = (part[start : start + rows].to(self.model.device) for part in batch)
            wanted = learned[:, 1:]
            if not bool(wanted.any()):
                continue
            # Without an attention mask transformers takes the documents' borders from the positions.
            said = self.model(input_ids=tokens, position_ids=positions, use_cache=False).logits
            logits = said[:, :-1][wanted].float()
            loss = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][wanted], reduction="sum") / total
            loss.backward()
            value += float(loss.detach())
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
        TouchstoneError: as `Training`.
    """
    training = Training(model, blocks, recipe, seed=seed)
    training.run(doing=doing)
    return training.losses


def _optimizer(model: Any, recipe: Recipe) -> Any:
    embedding = model.get_input_embeddings().weight
    rest = [p for p in model.parameters() if p is not embedding and p.requires_grad]
    groups = [
        {"params": [embedding], "lr": recipe.learning_rate * recipe.embedding_rate_ratio},
        {"params": rest, "lr": recipe.learning_rate},
    ]
    if recipe.optimizer == "adamw_parameter_scaled":
        decay = STUDY_WEIGHT_DECAY if recipe.weight_decay is None else recipe.weight_decay
        return AdamwParameterScaled(groups, recipe.learning_rate, weight_decay=decay)
    return torch.optim.AdamW(groups, betas=recipe.betas, weight_decay=recipe.weight_decay or 0.0, fused=True)


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
