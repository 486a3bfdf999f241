"""The picture of a training: its loss over the tokens it read, and what was measured on dialogues kept out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.contracts.training_rows import TrainingStep
from components.report.figures.frame import Drawing, Layout, picture
from components.report.figures.scale import Scale
from components.report.figures.svg import Svg, element, group, line, text, title
from components.report.wording import count

TOP, HEIGHT, LEFT, FOOT = 22.0, 190.0, 44.0, 44.0
MOST_POINTS = 300
"""Drawn; a longer course is averaged over stretches, so that the file stays small and the line readable."""


def loss_figure(course: Sequence[TrainingStep]) -> Svg:
    """Loss per learned token; nothing without two steps."""
    steps = [row for row in course if row.loss is not None]
    if len(steps) < 2:
        return Svg("")
    measured = [row for row in course if row.heldout_loss is not None]
    said = (
        f"{count(len(steps))} steps; loss {steps[0].loss:.2f} at first, {_tail(steps):.2f} at the end, in nats a token"
    )
    if measured:
        said += f"; on dialogues kept out {measured[0].heldout_loss:.2f}, then {measured[-1].heldout_loss:.2f}"
    return picture("loss", "Loss of the training", f"{said}.", lambda layout: _draw(steps, measured, said, layout))


def _tail(steps: Sequence[TrainingStep]) -> float:
    last = [row.loss for row in steps[-max(1, len(steps) // 20) :] if row.loss is not None]
    return sum(last) / len(last)


def _draw(steps: Sequence[TrainingStep], measured: Sequence[TrainingStep], said: str, layout: Layout) -> Drawing:
    points = _thinned(steps)
    values = [loss for _, loss in points] + [row.heldout_loss for row in measured if row.heldout_loss is not None]
    low, high = min(values), max(values)
    air = 0.05 * (high - low or 1.0)
    up = Scale(max(0.0, low - air), high + air, TOP + HEIGHT, TOP)
    across = Scale(0.0, float(steps[-1].tokens), LEFT, layout.width - 8)
    parts = [title(said), text(0, 12, "nats a token", "note")]
    for tick in up.ticks(5):
        y = up.at(tick)
        parts += [line(LEFT, y, layout.width, y, "grid"), text(LEFT - 6, y + 4, f"{tick:.2g}", "tick", anchor="end")]
    path = " ".join(f"{across.at(tokens):.1f},{up.at(loss):.1f}" for tokens, loss in points)
    parts.append(element("polyline", points=path, class_="whisker"))
    kept = [(across.at(float(row.tokens)), up.at(row.heldout_loss)) for row in measured if row.heldout_loss is not None]
    if kept:
        parts.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in kept), class_="limit"))
        parts += [element("circle", cx=x, cy=y, r=4.0, class_="m-base") for x, y in kept]
    parts.append(line(LEFT, TOP + HEIGHT, layout.width, TOP + HEIGHT, "axis"))
    for tick in across.ticks(4):
        anchor = "start" if tick == 0 else "middle"
        parts.append(text(across.at(tick), TOP + HEIGHT + 18, _short(tick), "tick", anchor=anchor))
    parts.append(text(layout.width, TOP + HEIGHT + 36, "tokens read", "note", anchor="end"))
    return Drawing(group(*parts), TOP + HEIGHT + FOOT)


def _thinned(steps: Sequence[TrainingStep]) -> list[tuple[float, float]]:
    """(tokens, loss): single steps, or means over equal stretches of them."""
    size = math.ceil(len(steps) / MOST_POINTS)
    made = []
    for begin in range(0, len(steps), size):
        part = [row for row in steps[begin : begin + size] if row.loss is not None]
        made.append((float(part[-1].tokens), sum(row.loss or 0.0 for row in part) / len(part)))
    return made


def _short(tokens: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:.3g}{letter}"
    return f"{tokens:.0f}"
