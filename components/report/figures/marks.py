"""Marks with a fixed meaning: base is a grey circle, imitator an orange diamond, target a blue square.

Shape and colour say the same thing, so neither is needed to read the other. The colours live in style.css.
"""

from __future__ import annotations

from typing import Literal

from components.contracts.verdict import Interval
from components.report.figures.scale import Scale
from components.report.figures.svg import Svg, element, group, line, title

Part = Literal["base", "imitator", "target"]


def mark(part: Part, x: float, y: float, size: float = 6.0, *, hollow: bool = False, says: str = "") -> Svg:
    """The mark of a part, centred; hollow = shown but not counted."""
    class_ = f"m-{part}{' hollow' if hollow else ''}"
    inside = [title(says)] if says else []
    if part == "base":
        return element("circle", *inside, cx=x, cy=y, r=size, class_=class_)
    if part == "target":
        side = size * 1.75
        return element("rect", *inside, x=x - side / 2, y=y - side / 2, width=side, height=side, rx=1.5, class_=class_)
    reach = size * 1.3
    corners = " ".join(
        f"{px:.2f},{py:.2f}" for px, py in ((x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y))
    )
    return element("polygon", *inside, points=corners, class_=class_)


def whisker(scale: Scale, y: float, ci: Interval, class_: str = "whisker") -> Svg:
    """An interval as a line with end caps; an end outside the axis becomes an arrow at the axis end."""
    low, high = scale.clipped(ci[0]), scale.clipped(ci[1])
    body = line(low, y, high, y, class_)
    ends = [_end(scale, y, ci[0], class_, -1), _end(scale, y, ci[1], class_, +1)]
    return group(body, *ends)


def _end(scale: Scale, y: float, value: float, class_: str, direction: int) -> Svg:
    x = scale.clipped(value)
    if scale.holds(value):
        return line(x, y - 4, x, y + 4, class_)
    back = x - direction * 7
    return element(
        "path", d=f"M{back:.2f} {y - 5:.2f}L{x:.2f} {y:.2f}L{back:.2f} {y + 5:.2f}", class_=f"{class_} arrow"
    )


def off_axis(scale: Scale, y: float, value: float) -> Svg:
    """A filled arrowhead at the axis end that a value lies beyond."""
    direction = 1 if value > scale.hi else -1
    x = scale.clipped(value)
    back = x - direction * 11
    corners = f"{back:.2f},{y - 6:.2f} {x:.2f},{y:.2f} {back:.2f},{y + 6:.2f}"
    return element("polygon", points=corners, class_="m-imitator")
