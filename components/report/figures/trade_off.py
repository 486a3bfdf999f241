"""A sweep's picture: what each cell gained in style against what it gained or lost in capability (a Pareto plot)."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.sweep_results import CellSummary
from components.report.figures.frame import NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.marks import mark
from components.report.figures.scale import Scale
from components.report.figures.svg import Svg, element, fit, group, line, text, text_width, title
from components.report.wording import finite, interval, joined, points, ratio

TOP = 26.0
HEIGHT = 330.0
LEFT = 40.0
FOOT = 44.0


def trade_off_figure(cells: Sequence[CellSummary]) -> Svg:
    """Style up, capability to the right; nothing unless two cells have both."""
    shown = [c for c in cells if finite(c.closeness) is not None and finite(c.change) is not None]
    if len(shown) < 2:
        return Svg("")
    best = joined([cell.cell.name for cell in shown if cell.unbeaten])
    said = " ".join(f"{_says(cell)}." for cell in shown) + f" Not beaten on both: {best}."
    return picture("trade-off", "Style gained against capability", said, lambda layout: _draw(shown, layout))


def _says(cell: CellSummary) -> str:
    style = f"style {ratio(cell.closeness)} ({interval(cell.closeness_ci, ratio) or 'no interval'})"
    change = f"capability {points(cell.change)} points ({interval(cell.change_ci, points) or 'no interval'})"
    return f"{cell.cell.name}: {style}, {change}"


def _draw(cells: Sequence[CellSummary], layout: Layout) -> Drawing:
    across = _scale([v for c in cells for v in (c.change, *(c.change_ci or ()))], LEFT + 8, layout.width - 12, 0.01)
    up = _scale([v for c in cells for v in (c.closeness, *(c.closeness_ci or ()))], TOP + HEIGHT, TOP, 0.05)
    parts = [text(0, 14, "style taken on: 0 = base, 1 = a second sample of the target", "note")]
    for tick in up.ticks(6):
        y = up.at(tick)
        parts += [line(LEFT, y, layout.width, y, "grid"), text(LEFT - 6, y + 4, f"{tick:g}", "tick", anchor="end")]
    for tick in across.ticks(4 if layout.stacked else 8):
        x = across.at(tick)
        parts.append(text(x, TOP + HEIGHT + 18, points(tick), "tick", anchor="middle"))
        parts.append(line(x, TOP + HEIGHT, x, TOP + HEIGHT + 4, "axis"))
    parts.append(line(LEFT, TOP + HEIGHT, layout.width, TOP + HEIGHT, "axis"))
    parts.append(line(across.at(0), TOP, across.at(0), TOP + HEIGHT, "end base"))
    long, short = "capability gained or lost, percentage points of mean score", "mean score changed, percentage points"
    what = short if layout.stacked else long
    parts.append(text(layout.width, TOP + HEIGHT + 36, fit(what, layout.width, NOTE_SIZE), "note", anchor="end"))
    parts.append(_front(cells, across, up))
    parts += [_cross(cell, across, up) for cell in cells]
    parts += _labels(cells, across, up, layout)
    return Drawing(group(*parts), TOP + HEIGHT + FOOT)


def _scale(values: Sequence[float | None], left: float, right: float, air: float) -> Scale:
    seen = [0.0, *(v for v in values if v is not None and finite(v) is not None)]
    return Scale(min(seen) - air, max(seen) + air, left, right)


def _front(cells: Sequence[CellSummary], across: Scale, up: Scale) -> Svg:
    """A line through the cells that are not beaten, from most style to most capability."""
    best = sorted((c for c in cells if c.unbeaten), key=lambda c: c.change or 0.0)
    if len(best) < 2:
        return Svg("")
    path = " ".join(f"{across.at(c.change or 0.0):.2f},{up.at(c.closeness or 0.0):.2f}" for c in best)
    return element("polyline", points=path, class_="limit", fill="none")


def _cross(cell: CellSummary, across: Scale, up: Scale) -> Svg:
    assert cell.change is not None
    assert cell.closeness is not None
    x, y = across.at(cell.change), up.at(cell.closeness)
    parts = [title(_says(cell))]
    if cell.change_ci is not None:
        parts.append(line(across.clipped(cell.change_ci[0]), y, across.clipped(cell.change_ci[1]), y, "cross"))
    if cell.closeness_ci is not None:
        parts.append(line(x, up.clipped(cell.closeness_ci[0]), x, up.clipped(cell.closeness_ci[1]), "cross"))
    parts.append(mark("imitator", x, y, 5.5, hollow=not cell.unbeaten))
    return group(*parts, class_="row")


def _labels(cells: Sequence[CellSummary], across: Scale, up: Scale, layout: Layout) -> list[Svg]:
    """Names beside their marks; one that would sit on another moves down a line."""
    marks = ((across.at(cell.change or 0.0), up.at(cell.closeness or 0.0)) for cell in cells)
    # A mark is as high as a line of text.
    taken = [(x - 8, x + 8, y + 5) for x, y in marks]
    parts = []
    for cell in sorted(cells, key=lambda c: -(c.closeness or 0.0)):
        x, y = across.at(cell.change or 0.0), up.at(cell.closeness or 0.0)
        wide = text_width(cell.cell.name, NOTE_SIZE)
        left = x + 10 if x + 10 + wide <= layout.width else x - 10 - wide
        place = y - 8
        while any(abs(place - other) < 13 and left < end and begin < left + wide for begin, end, other in taken):
            place += 13
        taken.append((left, left + wide, place))
        parts.append(text(left, place, cell.cell.name, "note strong" if cell.unbeaten else "note"))
    return parts
