"""From numbers to pixels: a linear axis, its round ticks, and labels that do not sit on each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps [lo, hi] onto [left, right] pixels."""

    lo: float
    hi: float
    left: float
    right: float

    def at(self, value: float) -> float:
        """The pixel of a value, which may lie outside the axis."""
        return self.left + (value - self.lo) / (self.hi - self.lo) * (self.right - self.left)

    def clipped(self, value: float) -> float:
        """The pixel of a value, held at the axis end when it lies outside."""
        return self.at(min(max(value, self.lo), self.hi))

    def holds(self, value: float) -> bool:
        """Whether the value lies on the axis."""
        return self.lo <= value <= self.hi

    def ticks(self, most: int) -> list[float]:
        """Round values on the axis, at most `most` of them."""
        span = self.hi - self.lo
        power = 10 ** math.floor(math.log10(span / most))
        step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if span / (power * m) <= most - 1)
        first = math.ceil(self.lo / step - 1e-9)
        last = math.floor(self.hi / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def domain(values: Iterable[float], *, inner: tuple[float, float], outer: tuple[float, float]) -> tuple[float, float]:
    """The values' range with some air, at least `inner`, at most `outer`: one wild interval shall not squeeze all."""
    seen = [value for value in values if math.isfinite(value)]
    lo, hi = min([inner[0], *(v - 0.04 for v in seen)]), max([inner[1], *(v + 0.04 for v in seen)])
    return max(lo, outer[0]), min(hi, outer[1])


def spread(centres: Sequence[float], widths: Sequence[float], left: float, right: float, gap: float = 6) -> list[float]:
    """Centres moved apart, in order, until labels of these widths neither touch nor leave [left, right].

    Moves as little as a left-to-right and a right-to-left sweep allow; with too many labels for the room the
    right end wins, so check that they fit before drawing.
    """
    order = sorted(range(len(centres)), key=lambda i: centres[i])
    placed = list(centres)
    for before, i in zip([None, *order], order, strict=False):
        floor = left + widths[i] / 2
        if before is not None:
            # Two labels that clash share the move, so that neither stands far from its mark.
            need = placed[before] + (widths[before] + widths[i]) / 2 + gap - placed[i]
            if need > 0:
                placed[before] = max(placed[before] - need / 2, left + widths[before] / 2)
            floor = placed[before] + (widths[before] + widths[i]) / 2 + gap
        placed[i] = max(placed[i], floor)
    ceiling = right
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling - widths[i] / 2)
        ceiling = placed[i] - widths[i] / 2 - gap
    return placed
