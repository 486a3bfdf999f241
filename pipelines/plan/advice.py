"""What to change when a training does not fit: the smallest change first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from components.train.recipe import Recipe
from pipelines.plan.memory import Engine, Setting, memory
from pipelines.plan.shapes import Shape

MOST_DEVICES = 4096


class Advice(NamedTuple):
    """A change that makes it fit; None: nothing does, up to a device for every block of a batch."""

    setting: Setting | None
    total: int
    """Bytes a device then."""

    def words(self, asked: Setting) -> str:
        """The change, in a recipe's and the command's own terms."""
        if self.setting is None:
            return "no engine and no number of devices makes it fit: take a larger device or shorter blocks"
        found = self.setting
        parts = []
        if found.rows != asked.rows:
            parts.append(f"rows_at_once: {found.rows}")
        if found.recompute != asked.recompute:
            parts.append("recompute: true")
        if found.engine != asked.engine:
            parts.append(f"--engine {found.engine}")
        if found.devices != asked.devices:
            parts.append(f"--num {found.devices}")
        return " and ".join(parts)


def advise(shape: Shape, kept: int, recipe: Recipe, asked: Setting, usable: int) -> Advice:
    """The first change that makes a training fit.

    Args:
        shape: Of the model.
        kept: Bytes that a block leaves for the backward pass.
        recipe: How it is trained.
        asked: What does not fit.
        usable: Bytes of a device.
    """
    for setting in _changes(asked, recipe):
        total = memory(shape, kept, recipe, setting).total
        if total <= usable:
            return Advice(setting, total)
    return Advice(None, 0)


def _changes(asked: Setting, recipe: Recipe) -> Iterator[Setting]:
    """Fewer rows, then recomputation, then sharding over as many devices, then over more."""
    engines: list[tuple[Engine, int]] = [(asked.engine, asked.devices)]
    devices = max(2, asked.devices)
    while devices <= min(recipe.batch_size, MOST_DEVICES):
        engines.append(("fsdp", devices))
        devices *= 2
    for engine, num in engines:
        rows = min(asked.rows, -(-recipe.batch_size // num))
        for recompute in (False, True) if not asked.recompute else (True,):
            for part in _halves(rows):
                yield Setting(engine, num, part, recompute)


def _halves(rows: int) -> Iterator[int]:
    while rows:
        yield rows
        rows //= 2
