"""Bases x amounts of data: what each cell of a sweep needs on given devices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.devices import Device
from components.contracts.errors import UsageError
from components.train.recipe import Recipe
from pipelines.plan import compute, shapes
from pipelines.plan.advice import Advice, advise
from pipelines.plan.memory import Engine, Memory, Setting, memory, usual_rows

RESERVE = 0.08
"""Share of a device's memory that its driver, the allocator and the network's buffers take: an assumption."""


class Request(BaseModel):
    """What a person wants to train, and on what."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bases: tuple[Path, ...]
    """Folders or config.json files."""
    amounts: tuple[int, ...]
    """Tokens, increasing: of users and assistants, or, where dialogues are given, of the assistants in them."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe."""
    engine: Engine = "single"
    """How the training is spread."""
    device: Device
    """What is rented."""
    devices: Annotated[int, Field(gt=0)] = 1
    """How many."""
    mfu: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4
    """Share of the peak that is reached: an assumption."""
    price: Annotated[float, Field(ge=0.0)] | None = None
    """Of a device for an hour; null = not known, and no cost is told."""
    nested: bool = False
    """All amounts in one pass (`train_nested`)."""
    dialogues: Path | None = None
    """Dialogues to count; null = every token is learned and a document fills each block."""
    tokenizer: Path | None = None
    """What they are counted by; null = each base's own."""


class Base(NamedTuple):
    """What one base needs, whatever the amount of data."""

    name: str
    shape: shapes.Shape
    setting: Setting
    kept: Memory
    """With every activation kept."""
    recomputed: Memory
    fits: bool
    advice: Advice | None
    """What to change where it does not fit."""

    @property
    def memory(self) -> Memory:
        """As the recipe says."""
        return self.recomputed if self.setting.recompute else self.kept


class Cell(NamedTuple):
    """What a training of one base on one amount needs."""

    base: str
    amount: int
    dialogues: int | None
    work: compute.Work
    steps: int
    warmup_steps: int
    flops: float
    hours: float
    cost: float | None

    @property
    def never_peaks(self) -> bool:
        """Whether the warm-up is as long as the run."""
        return self.warmup_steps >= self.steps


class Plan(NamedTuple):
    """Every cell, and what was assumed."""

    request: Request
    recipe: Recipe
    bases: tuple[Base, ...]
    cells: tuple[Cell, ...]

    @property
    def usable(self) -> int:
        """Bytes of a device that a training may fill."""
        return int(self.request.device.memory_gib * 2**30 * (1 - RESERVE))

    @property
    def paid(self) -> tuple[Cell, ...]:
        """The cells that are run: with nested data only the largest of each base."""
        return tuple(c for c in self.cells if not self.request.nested or c.amount == self.request.amounts[-1])


def plan(request: Request) -> Plan:
    """Work out every cell.

    Raises:
        UsageError: amounts or a recipe that make no sense.
        TouchstoneError: a base or the data cannot be read.
    """
    recipe = _recipe(request)
    _check(request, recipe)
    peak = request.device.peak(recipe.precision)
    usable = int(request.device.memory_gib * 2**30 * (1 - RESERVE))
    bases, cells = [], []
    for name, place in zip(_names(request.bases), request.bases, strict=True):
        config = shapes.read_config(place)
        shape = shapes.shape(config, place)
        bases.append(
            _base(
                name,
                shape,
                shapes.activations(config, place, recipe.block_tokens, recipe.precision, recipe.mitigation.lora),
                request,
                recipe,
                usable,
            )
        )
        for amount, num, work in _work(request, recipe, place):
            cells.append(_cell(name, shape, amount, num, work, request, recipe, peak))
    return Plan(request, recipe, tuple(bases), tuple(cells))


def _recipe(request: Request) -> Recipe:
    if request.nested:
        from components.train.nested import nested_recipe

        return nested_recipe(request.recipe)
    return Recipe.of(request.recipe)


def _check(request: Request, recipe: Recipe) -> None:
    if not request.bases or not request.amounts:
        raise UsageError("nothing to plan", expected="at least one base and one --tokens")
    if any(amount < 1 for amount in request.amounts):
        raise UsageError(f"an amount of {min(request.amounts)} tokens", expected="at least 1")
    if any(smaller >= larger for smaller, larger in pairwise(request.amounts)):
        raise UsageError(
            f"amounts of {', '.join(f'{a:,}' for a in request.amounts)} tokens do not increase",
            expected="each larger than the one before",
        )
    if request.engine == "single" and request.devices > 1:
        raise UsageError(
            f"engine single on {request.devices} devices",
            expected="one device, or an engine that shares the work: ddp, fsdp, zero1, zero2, zero3",
        )
    if request.devices > recipe.batch_size:
        raise UsageError(
            f"{request.devices} devices for {recipe.batch_size} blocks a step",
            expected="at least one block a device",
            remedy="fewer devices, or a larger batch_size in the recipe",
        )


def _base(name: str, shape: shapes.Shape, kept: int, request: Request, recipe: Recipe, usable: int) -> Base:
    rows = usual_rows(recipe, request.devices)
    setting = Setting(request.engine, request.devices, rows, recipe.recompute)
    with_all, without = (
        memory(shape, kept, recipe, setting._replace(recompute=recompute)) for recompute in (False, True)
    )
    fits = (without if recipe.recompute else with_all).total <= usable
    advice = None if fits else advise(shape, kept, recipe, setting, usable)
    return Base(name, shape, setting, with_all, without, fits, advice)


def _work(request: Request, recipe: Recipe, place: Path) -> Sequence[tuple[int, int | None, compute.Work]]:
    if request.dialogues is None:
        return [(a, None, compute.full_blocks(a, recipe.block_tokens)) for a in request.amounts]
    from pipelines.plan.data import counted

    return counted(request.dialogues, request.tokenizer or place, request.amounts, recipe.block_tokens)


def _cell(
    name: str,
    shape: shapes.Shape,
    amount: int,
    num: int | None,
    work: compute.Work,
    request: Request,
    recipe: Recipe,
    peak: float,
) -> Cell:
    blocks = -(-work.tokens // recipe.block_tokens)
    steps = -(-blocks // recipe.batch_size) * recipe.epochs
    # Replayed text is read and learned beside the amount, which does not change the number of steps.
    rank = recipe.mitigation.lora.rank if recipe.mitigation.lora is not None else 0
    operations = compute.flops(shape, work.times(recipe.epochs), rank) / (1.0 - recipe.mitigation.replay_share)
    # An anchor is a forward pass of the base, a third of a forward and a backward pass.
    operations *= 4.0 / 3.0 if recipe.mitigation.kl_beta else 1.0
    hours = compute.hours(operations, request.devices, peak, request.mfu, recompute=recipe.recompute)
    return Cell(
        base=name,
        amount=amount,
        dialogues=num,
        work=work,
        steps=steps,
        warmup_steps=recipe.warmup(steps),
        flops=operations,
        hours=hours,
        cost=None if request.price is None else hours * request.devices * request.price,
    )


def _names(places: Sequence[Path]) -> list[str]:
    """The folders' names; whole paths where two are alike."""
    short = [(p.parent if p.suffix == ".json" else p).resolve().name for p in places]
    names = short if len(set(short)) == len(short) else [str(place) for place in places]
    if len(set(names)) < len(names):
        raise UsageError(f"bases {', '.join(names)}", expected="every base once")
    return names
