"""The sweep as one declarative object: which imitators there are, and which of them share work."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts.errors import UsageError
from components.contracts.sweep_rows import Cell
from components.train.mitigations.arms import replays

Kind = Literal["series", "separate", "interpolated", "whole"]
Amount = Annotated[int, Field(gt=0)]
PLAIN, INTERPOLATION = "plain", "interpolation"
ON_THE_WAY = ("plain", "lower_rate", "kl", "dft")
"""Mitigations under which the model of a smaller amount is met on the way to a larger (`train_nested`)."""


class Group(NamedTuple):
    """Cells whose checkpoints come out of one piece of work."""

    kind: Kind
    """series: one pass with a checkpoint for each amount. separate: a training each; all of them read pre-training text
    again, or none does. whole: one training, which an interpolated group waits for. interpolated: mixtures of base and
    that training's model, no training of their own."""
    cells: tuple[Cell, ...]
    amounts: tuple[int, ...] = ()
    """Of a series: every amount of the sweep, whichever of its cells are asked for, so that its work stays the same."""

    @property
    def first(self) -> Cell:
        """A cell that stands for what all have in common."""
        return self.cells[0]


class Sweep(BaseModel):
    """Which imitators to train: every combination of the axes is a cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bases: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of bases."""
    data: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of imitation data."""
    amounts: Annotated[tuple[Amount, ...], Field(min_length=1)]
    """Dialogues, growing; each amount is the beginning of the next."""
    mitigations: Annotated[tuple[str, ...], Field(min_length=1)] = (PLAIN,)
    """Names of arms, see `components/train/mitigations/arms.py`."""
    alphas: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = (0.25, 0.5, 0.75)
    """Of the arm `interpolation`: the imitator's share of the weights, a cell each."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    """Of training; each is a cell of its own."""
    one_pass: bool = True
    """Take all amounts out of one training where that gives the same bits; False = a training each."""
    only: tuple[str, ...] = ()
    """Names of the cells to make; empty = all."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if list(self.amounts) != sorted(set(self.amounts)):
            raise ValueError("amounts must grow")
        known = {cell.name for cell in self.all_cells()}
        for name in self.only:
            if name not in known:
                raise UsageError(f"the sweep has no cell {name}", expected=", ".join(sorted(known)))
        return self

    def all_cells(self) -> tuple[Cell, ...]:
        """Every combination, in the order of the axes."""
        found = []
        for base, data, arm, seed in itertools.product(self.bases, self.data, self.mitigations, self.seeds):
            alphas = self.alphas if arm == INTERPOLATION else (None,)
            # A mixture is made of the model of the largest amount.
            amounts = self.amounts[-1:] if arm == INTERPOLATION else self.amounts
            for amount, alpha in itertools.product(amounts, alphas):
                name = self._name(base, data, arm, alpha, amount, seed)
                found.append(
                    Cell(name=name, base=base, data=data, amount=amount, mitigation=arm, alpha=alpha, seed=seed)
                )
        return tuple(found)

    def cells(self) -> tuple[Cell, ...]:
        """Those that are asked for."""
        return tuple(cell for cell in self.all_cells() if not self.only or cell.name in self.only)

    def groups(self) -> tuple[Group, ...]:
        """The cells by the work they share; none is empty, and together they are `cells()`."""
        found: list[Group] = []
        for base, data in itertools.product(self.bases, self.data):
            cells = [cell for cell in self.cells() if (cell.base, cell.data) == (base, data)]
            separate: list[Cell] = []
            replaying: list[Cell] = []
            for seed, arm in itertools.product(self.seeds, self.mitigations):
                own = tuple(cell for cell in cells if (cell.seed, cell.mitigation) == (seed, arm))
                if not own:
                    continue
                if arm == INTERPOLATION:
                    found.append(Group("interpolated", own))
                elif arm == PLAIN and self._mixes(cells, seed) and len(self.amounts) == 1:
                    found.append(Group("whole", own))
                elif self.one_pass and len(self.amounts) > 1 and arm in ON_THE_WAY:
                    found.append(Group("series", own, self.amounts))
                else:
                    (replaying if replays(arm) else separate).extend(own)
            found += [Group("separate", tuple(some)) for some in (separate, replaying) if some]
        return tuple(found)

    def _mixes(self, cells: Collection[Cell], seed: int) -> bool:
        return any(cell.seed == seed and cell.mitigation == INTERPOLATION for cell in cells)

    def _name(self, base: str, data: str, arm: str, alpha: float | None, amount: int, seed: int) -> str:
        """What tells a cell from the others; an axis of one value says nothing."""
        arms = f"{arm}-{alpha:g}" if alpha is not None else arm
        axes = (
            (base, self.bases),
            (data, self.data),
            (arms, self.mitigations),
            (str(amount), self.amounts),
            (f"seed{seed}", self.seeds),
        )
        name = "-".join(value for value, axis in axes if len(axis) > 1) or base
        # An imitator called like its base could not be told from it in rows.
        return f"{name}-{data}" if name in self.bases else name


def training_name(sweep: Sweep, cell: Cell) -> str:
    """How a training is called that several cells come from: a pass over all amounts, or what mixtures are made of."""
    seed = (f"seed{cell.seed}",) if len(sweep.seeds) > 1 else ()
    return "-".join((cell.base, cell.data, cell.mitigation, *seed))
