"""A sweep's picture: scores over growing amounts of data or sizes of the base, one panel a benchmark.

The amount is on a logarithmic axis, so that a straight line is a constant gain per doubling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.contracts.sweep_results import Curve
from components.report.figures.frame import NAME_SIZE, Drawing, Layout, picture
from components.report.figures.marks import mark
from components.report.figures.scale import Scale, spread
from components.report.figures.svg import Svg, element, fit, group, line, text, text_width, title
from components.report.wording import bare_percent, interval, percent, points

PANEL = 190.0
HEAD = 30.0
FOOT = 44.0
LEFT = 44.0
DASHES = (None, "6 4", "2 4", "10 4 2 4")
"""Lines of one panel are told apart by dashes and a label; colour already says which part a model plays."""


def growth_figure(curves: Sequence[Curve]) -> Svg:
    """One panel for each benchmark and axis, or nothing without a curve."""
    panels: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        panels.setdefault((curve.axis, curve.benchmark), []).append(curve)
    if not panels:
        return Svg("")
    said = " ".join(f"{curve.benchmark}, {curve.label}: {_said(curve)}." for curve in curves)
    return picture("growth", "Scores over growing data and bases", said, lambda layout: _draw(panels, layout))


def _said(curve: Curve) -> str:
    shown = (f"{point.amount:,.0f} {curve.fit.unit} {percent(point.value)}" for point in curve.fit.points)
    per = f"{points(curve.fit.slope.per_doubling)} points per doubling ({interval(curve.fit.slope.ci, points)})"
    return f"{'; '.join(shown)}; {per}"


def _draw(panels: dict[tuple[str, str], list[Curve]], layout: Layout) -> Drawing:
    columns = 1 if layout.stacked else min(2, len(panels))
    width = layout.width / columns
    parts: list[Svg] = []
    row_height = HEAD + PANEL + FOOT + 18 * max(len(curves) for curves in panels.values())
    for number, ((_, benchmark), curves) in enumerate(panels.items()):
        left, top = (number % columns) * width, (number // columns) * row_height
        inner = _panel(benchmark, curves, width - (16 if columns > 1 else 4))
        parts.append(element("g", inner, transform=f"translate({left:g} {top:g})"))
    return Drawing(group(*parts), row_height * math.ceil(len(panels) / columns))


def _panel(benchmark: str, curves: Sequence[Curve], width: float) -> Svg:
    across = _amounts(curves, width)
    up = _scores(curves)
    parts = [text(0, 18, fit(benchmark, width, NAME_SIZE), "name strong", full=benchmark)]
    for tick in up.ticks(5):
        y = up.at(tick)
        parts += [line(LEFT, y, width, y, "grid"), text(LEFT - 6, y + 4, bare_percent(tick), "tick", anchor="end")]
    goal = next((curve.fit.goal for curve in curves if curve.fit.goal is not None), None)
    if goal is not None:
        y = up.at(goal)
        parts += [line(LEFT, y, width, y, "end target"), text(width, y - 5, "target", "note", anchor="end")]
    for curve, dash in zip(curves, DASHES * len(curves), strict=False):
        parts.append(_curve(curve, across, up, dash))
    parts.append(_axis(curves, across))
    bottom = HEAD + PANEL + FOOT
    for number, (curve, dash) in enumerate(zip(curves, DASHES * len(curves), strict=False)):
        y = bottom + 18 * number
        parts.append(
            element("line", x1=LEFT, y1=y - 4, x2=LEFT + 26, y2=y - 4, class_="whisker", stroke_dasharray=dash)
        )
        words = f"{curve.label}: {points(curve.fit.slope.per_doubling)} per doubling"
        parts.append(text(LEFT + 34, y, fit(words, width - LEFT - 34, 12), "note", full=_said(curve)))
    return group(*parts)


def _amounts(curves: Sequence[Curve], width: float) -> Scale:
    seen = [math.log2(point.amount) for curve in curves for point in curve.fit.points]
    air = 0.08 * (max(seen) - min(seen) or 1.0)
    return Scale(min(seen) - air, max(seen) + air, LEFT + 8, width - 8)


def _scores(curves: Sequence[Curve]) -> Scale:
    """From the bottom up: larger scores stand higher."""
    seen = [v for curve in curves for point in curve.fit.points for v in (*point.ci, point.value)]
    seen += [v for curve in curves for v in curve.bases]
    seen += [curve.fit.goal for curve in curves if curve.fit.goal is not None]
    lo, hi = max(0.0, min(seen) - 0.03), min(1.0, max(seen) + 0.03)
    return Scale(lo, hi if hi > lo else lo + 0.1, HEAD + PANEL, HEAD)


def _curve(curve: Curve, across: Scale, up: Scale, dash: str | None) -> Svg:
    at = [(across.at(math.log2(point.amount)), point) for point in curve.fit.points]
    path = " ".join(f"{x:.2f},{up.at(point.value):.2f}" for x, point in at)
    parts = [title(f"{curve.label}: {_said(curve)}")]
    parts.append(element("polyline", points=path, class_="whisker", stroke_dasharray=dash))
    for (x, point), base in zip(at, curve.bases, strict=True):
        low, high = up.clipped(point.ci[0]), up.clipped(point.ci[1])
        parts += [line(x, low, x, high, "whisker"), line(x - 4, low, x + 4, low, "whisker")]
        parts.append(line(x - 4, high, x + 4, high, "whisker"))
        parts.append(mark("base", x, up.at(base), 3.5, says=f"base {percent(base)}"))
        says = f"{point.amount:,.0f} {curve.fit.unit}: {percent(point.value)} ({interval(point.ci, percent)})"
        parts.append(mark("imitator", x, up.at(point.value), 4.5, says=says))
    return group(*parts, class_="row")


def _axis(curves: Sequence[Curve], across: Scale) -> Svg:
    amounts = sorted({point.amount for curve in curves for point in curve.fit.points})
    labels = [_short(amount) for amount in amounts]
    centres = [across.at(math.log2(amount)) for amount in amounts]
    placed = spread(centres, [text_width(label, 12) for label in labels], across.left - 8, across.right + 8, gap=4)
    y = HEAD + PANEL
    parts = [line(across.left - 8, y, across.right + 8, y, "axis")]
    parts += [line(x, y, x, y + 4, "axis") for x in centres]
    parts += [text(x, y + 17, label, "tick", anchor="middle") for x, label in zip(placed, labels, strict=True)]
    return group(*parts)


def _short(amount: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if amount >= size:
            return f"{amount / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{amount:,.0f}"
