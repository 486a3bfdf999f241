"""A picture is drawn twice, for a desk and for a phone; CSS shows one. Scaled-down text would be unreadable there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.report.figures.svg import Svg, element, literal, text_width

NAME_SIZE = 14.0
NOTE_SIZE = 12.0


@dataclass(frozen=True)
class Layout:
    """Where things go at one width, in CSS pixels."""

    key: str
    """`wide` or `narrow`, also the CSS class."""
    width: float
    """Of the whole picture."""
    name_width: float
    """Of the column of names; 0 = the name stands above its row."""
    value_width: float
    """Of the column of numbers on the right; 0 = beside the name."""

    @property
    def stacked(self) -> bool:
        """Whether names stand above their rows."""
        return self.name_width == 0


WIDE = Layout("wide", 760, 210, 170)
NARROW = Layout("narrow", 343, 0, 0)


@dataclass(frozen=True)
class Drawing:
    """What a picture's code hands back for one layout."""

    body: Svg
    height: float


def picture(key: str, title: str, description: str, draw: Callable[[Layout], Drawing]) -> Svg:
    """Both versions of a picture, each with its title and a description that carries every number."""
    return Svg("".join(_render(key, title, description, draw(layout), layout) for layout in (WIDE, NARROW)))


def _render(key: str, title: str, description: str, drawing: Drawing, layout: Layout) -> Svg:
    ids = f"{key}-{layout.key}-title", f"{key}-{layout.key}-desc"
    return element(
        "svg",
        element("title", literal(title), id=ids[0]),
        element("desc", literal(description), id=ids[1]),
        drawing.body,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"figure {layout.key}",
        viewBox=f"0 0 {layout.width:g} {drawing.height:g}",
        width=layout.width,
        height=drawing.height,
        role="img",
        aria_labelledby=f"{ids[0]} {ids[1]}",
    )


def widest(labels: list[str], size: float) -> float:
    """Width of the widest label."""
    return max((text_width(label, size) for label in labels), default=0.0)
