"""Every amount of nested data in one pass: the model of a smaller amount is met on the way to the largest.

With data in one order, a rate that does not hang on the length of the run, and one epoch, a run on the first n
dialogues makes the first steps of a run on all of them, and then one more: the step of the blocks that do not fill a
batch, the last of which is padded. That step is made on the side and its model kept; then weights, moments and random
numbers are put back, and the pass goes on as if nothing had been. A sweep of k amounts costs its largest cell and k - 1
steps, beside the writing of k checkpoints, and every checkpoint has the bits of a run of its own (`data_order: given`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from components.contracts.bind import Metrics
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, CheckpointSeries, Input, Output
from components.contracts.training_rows import TrainingStep
from components.contracts.workplace import State, Workplace
from components.train import course
from components.train import series as checkpoints
from components.train.amounts import Cut, cuts, last_blocks, prefixes
from components.train.chunking import Blocks, Encoded, encode_dialogue, pack
from components.train.imitation import watched
from components.train.loop import Training
from components.train.mitigations.hooks import Hooks
from components.train.mitigations.preparation import Prepared
from components.train.models import check_context, load, save
from components.train.params import NestedParams
from components.train.recipe import Recipe
from components.train.state import TrainingState
from components.train.tokenizer import ready_for_dialogue

SEPARATELY = "train the amounts separately: `touchstone data subset` cuts them, `train` takes each"
TAIL_STEPS = 10
Write = Callable[[Path, list[float]], None]
"""Puts the model as it is, and the losses of its run, into a folder."""


class Models:
    """The models of the amounts, each kept in the workplace until all are there."""

    def __init__(self, workplace: Workplace, ends: Sequence[Cut], write: Write) -> None:
        """Keep nothing yet.

        Args:
            workplace: The step's.
            ends: The amounts, smallest first.
            write: Writes a model.
        """
        self.ends = ends
        self._write = write
        self._places = {cut: workplace.within(f"amount-{cut.amount}") for cut in ends}

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *_: object) -> None:
        for place in self._places.values():
            place.close()

    def whole(self, cut: Cut) -> State | None:
        """The model of an amount, numbered by the steps of its run; None when there is none, or it was damaged."""
        return self._places[cut].newest(Checkpoint)

    def keep(self, cut: Cut, losses: Sequence[float]) -> None:
        """Write the model. Waited for: a state of the training past this amount must not outlive its model.

        Raises:
            TouchstoneError: it could not be written.
        """
        place, losses = self._places[cut], list(losses)
        place.save(len(losses), Checkpoint, lambda folder: self._write(folder, losses))
        place.wait()
        if place.problem:
            raise TouchstoneError(
                f"the model on {cut.amount:,} could not be kept: {place.problem}",
                remedy="mend that and run the same command again: it goes on from its last state",
            )


class NestedTraining(Training):
    """A training that keeps the model of every smaller amount on the way."""

    def __init__(
        self,
        model: Any,
        blocks: Blocks,
        recipe: Recipe,
        *,
        seed: int,
        models: Models,
        hooks: Hooks = Hooks(),  # noqa: B008
    ) -> None:
        """Make ready to train `model` in place.

        Args:
            model: As for `Training`.
            blocks: Of the largest amount.
            recipe: Passed `nested_recipe`.
            seed: As for `Training`; the order is the data's.
            models: Where the models go.
            hooks: As for `Training`; nothing is mixed in.
        """
        super().__init__(model, blocks, recipe, seed=seed, hooks=hooks)
        self._models = models
        self._total = models.ends[-1].end

    def branches_at(self, cut: Cut) -> int:
        """The step after which an amount parts from the larger ones."""
        if cut.end == self._total:
            return self.num_steps
        return cut.end // (self.recipe.block_tokens * self.recipe.batch_size)

    def _take_up(self, workplace: Workplace | None) -> None:
        assert workplace is not None
        state = workplace.newest(TrainingState)
        passed = [cut for cut in self._models.ends if state is not None and self.branches_at(cut) < state.number]
        lost = [cut.amount for cut in passed if self._models.whole(cut) is None]
        if lost:
            # As when the store took the state but not the model: what was passed cannot be met again from here.
            sys.stderr.write(f"nested training: begins again, for the models on {lost} are not whole\n")
            return
        super()._take_up(workplace)

    def _reached(self, step: int) -> None:
        for cut in self._models.ends:
            if self.branches_at(cut) == step and self._models.whole(cut) is None:
                self._branch(cut)

    def _branch(self, cut: Cut) -> None:
        """Finish the run of an amount, keep its model, and come back."""
        first = len(self.steps) * self.recipe.batch_size
        if cut.end == self._total or first * self.recipe.block_tokens == cut.end:
            self._models.keep(cut, self.losses)
            return
        before = _Held(self.model, self.optimizer)
        steps = list(self.steps)
        self._step(last_blocks(self.blocks, first, cut.end, isolated=self.recipe.isolated))
        self._models.keep(cut, self.losses)
        self.steps = steps
        before.put_back()


class _Held:
    """Weights, moments and random numbers between two steps, in the host's memory."""

    def __init__(self, model: Any, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._weights = [(part, _copied(part)) for part in [*model.parameters(), *model.buffers()]]
        self._moments = {
            parameter: {name: _copied(value) for name, value in fields.items()}
            for parameter, fields in optimizer.state.items()
        }
        self._random = torch.get_rng_state()
        self._random_cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    @torch.no_grad()
    def put_back(self) -> None:
        for part, value in self._weights:
            part.copy_(value)
        state = self._optimizer.state
        for parameter in list(state):
            if parameter not in self._moments:
                del state[parameter]  # its first step was the one on the side
                continue
            for name, value in self._moments[parameter].items():
                if isinstance(value, torch.Tensor):
                    state[parameter][name].copy_(value)
                else:
                    state[parameter][name] = value
        torch.set_rng_state(self._random)
        if self._random_cuda is not None:
            torch.cuda.set_rng_state(self._random_cuda)


def _copied(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, torch.Tensor) else value


def nested_recipe(given: dict[str, Any]) -> Recipe:
    """A recipe under which a run's first steps do not hang on its length.

    Raises:
        UsageError: they do, by its schedule, warm-up, epochs or order.
    """
    recipe = Recipe.of({"data_order": "given", **given})
    reasons = {
        f"its rate follows a {recipe.schedule} as long as the run": recipe.schedule != "constant",
        "its warm-up is a share of the run": recipe.warmup_steps is None,
        f"it reads the data {recipe.epochs} times": recipe.epochs != 1,
        "it shuffles the data": recipe.data_order != "given",
        "text is replayed in proportion to the run": recipe.mitigation.replay_share > 0,
        "its adapters or subspaces become plain weights at the end of a run": recipe.mitigation.lora is not None
        or recipe.mitigation.unfreeze_rank_ratio is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise UsageError(
                f"one pass cannot give the models of smaller amounts under this recipe: {reason}",
                expected="schedule: constant, warmup_steps: a number, epochs: 1, data_order: given; of mitigations, "
                "loss and kl_beta",
                remedy=SEPARATELY,
            )
    return recipe


def fine_tune_nested(
    dialogues: Sequence[Dialogue],
    base: Input[Checkpoint],
    series: Output[CheckpointSeries],
    curve: Output[TrainingStep],
    workplace: Workplace,
    params: NestedParams,
) -> Metrics:
    """See `step.train_nested`. While a step is made on the side the host holds a copy of weights and moments."""
    recipe = nested_recipe(params.recipe)
    held = prefixes(dialogues, params.amounts, params.unit, base.folder)
    torch.manual_seed(params.seed)
    model, tokenizer = load(base.folder)
    added = ready_for_dialogue(tokenizer, model)
    ends, blocks = _data([encode_dialogue(tokenizer, row) for row in dialogues[: held[-1]]], held, recipe, params)
    check_context(model, blocks)
    hooks = Prepared(model, tokenizer, recipe, num_blocks=0, imitation_tokens=0, replay=(), seed=params.seed).hooks
    with Models(workplace, ends, lambda folder, losses: save(folder, model, tokenizer, {"train": losses})) as models:
        training = NestedTraining(model, blocks, recipe, seed=params.seed, models=models, hooks=hooks)
        training.run(workplace=workplace, state_seconds=params.state_seconds, place=watched(params, series))
        speed = training.speed.metrics()
        _put_together(series, models, blocks, recipe, {"unit": params.unit, "new_tokens": added})
    curve.write(course.rows(training.steps, model=params.name, phase="imitation"))
    tail = training.losses[-TAIL_STEPS:]
    step_tokens = recipe.batch_size * recipe.block_tokens
    return {
        "amounts": float(len(ends)),
        "steps": float(training.num_steps),
        "steps_aside": float(sum(cut.end % step_tokens > 0 for cut in ends[:-1])),
        "learned_tokens": float(blocks.learned.sum()),
        "final_loss": sum(tail) / len(tail),
        **speed,
    }


def _data(
    documents: Sequence[Encoded], held: Sequence[int], recipe: Recipe, params: NestedParams
) -> tuple[list[Cut], Blocks]:
    """Where the amounts end, and the blocks of the largest."""
    lengths = [len(document.tokens) for document in documents]
    ends = cuts(params.amounts, params.unit, held, lengths, recipe.batch_size * recipe.block_tokens)
    packed = pack(documents, recipe.block_tokens, None, isolated=recipe.isolated)
    blocks = Blocks(*(part[: math.ceil(ends[-1].end / recipe.block_tokens)] for part in packed))
    if not bool(blocks.learned.reshape(-1)[: ends[0].end].any()):
        raise TouchstoneError(
            f"the first {ends[0].amount:,} {params.unit} hold no assistant turn", remedy="raise the smallest amount"
        )
    return ends, blocks


def _put_together(
    series: Output[CheckpointSeries], models: Models, blocks: Blocks, recipe: Recipe, shared: dict[str, object]
) -> None:
    found = {cut: models.whole(cut) for cut in models.ends}
    series.folder.mkdir(exist_ok=True)  # emptied
    warmup = recipe.warmup(0)
    for cut, state in found.items():
        if state is None:
            raise TouchstoneError(
                f"the model on {cut.amount:,} is no longer whole", remedy="run the same command again: it is made anew"
            )
        steps = state.number
        notes = {
            **shared,
            "amount": cut.amount,
            "dialogues": cut.dialogues,
            "steps": steps,
            "warmup_steps": warmup,
            "learned_tokens": int(blocks.learned.reshape(-1)[: cut.end].sum()),
        }
        if warmup >= steps:
            notes["warning"] = f"the warm-up of {warmup} steps is as long as the run of {steps}: the rate never peaks"
        checkpoints.add(series, str(cut.amount), state.folder, notes)
    series.commit(notes={**shared, "amounts": [cut.amount for cut in models.ends], "warmup_steps": warmup})
