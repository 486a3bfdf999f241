"""Pictures of style attribution: whose the answers are taken for, how often an author is named right, and the map."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from components.contracts.attribution_results import AttributionResult, TakenShare
from components.contracts.attribution_rows import Attribution, MapPoint
from components.contracts.verdict import Interval
from components.report.attribution_sheets import CLASSIFIERS
from components.report.figures.frame import NAME_SIZE, NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.marks import Part, mark, whisker
from components.report.figures.scale import Scale
from components.report.figures.svg import Svg, element, fit, group, line, text, text_width, title
from components.report.wording import interval, percent

HEADER = 34.0
AXIS = 34.0
PAD = 10.0
MAP_HEIGHT = {"wide": 440.0, "narrow": 330.0}
MAX_POINTS = 1_500
"""Of a map; more would be no clearer and make the page heavy."""
DOT = 3.2
FAINTEST = 0.25
"""Opacity of the first text in the order."""

_PARTS: dict[str, Part] = {"base": "base", "imitator": "imitator", "target": "target", "target_second": "target"}


@dataclass(frozen=True)
class _Dot:
    part: Part
    value: float
    ci: Interval
    says: str
    hollow: bool = False


@dataclass(frozen=True)
class _Line:
    name: str
    value: str
    dots: tuple[_Dot, ...]


def taken_for_target_figure(result: AttributionResult | None) -> Svg:
    """Share of each role's answers taken for the target's, a line for each classifier; nothing where nobody was asked.

    The square is the second sample of the target, or, hollow, its first on prompts that were not learned from.
    """
    lines = []
    for by in result.classifiers if result else ():
        ceiling, own = (by.target_second, False) if by.target_second else (by.target, True)
        shares: tuple[tuple[Part, TakenShare | None, bool], ...] = (
            ("base", by.base, False),
            ("target", ceiling, own),
            ("imitator", by.imitator, False),
        )
        dots = tuple(_share_dot(role, taken, hollow) for role, taken, hollow in shares if taken is not None)
        lines.append(_Line(CLASSIFIERS[by.classifier], percent(by.imitator.share), dots))
    ends = "0% = all taken for the base's, 100% = all taken for the target's."
    return _lines("taken-for-target", "Answers taken for the target's", ends, lines)


def _share_dot(role: Part, taken: TakenShare, hollow: bool) -> _Dot:
    says = f"{role}: {percent(taken.share)}, {interval(taken.ci, percent)}"
    return _Dot(role, taken.share, taken.ci, says, hollow)


def accuracy_figure(rows: Sequence[Attribution]) -> Svg:
    """Share of texts given to their author, a line for each classifier; the grey mark is always naming the author with
    the most texts."""
    lines = []
    for name in _classifiers(rows):
        row = next(row for row in rows if row.classifier == name)
        right = f"{percent(row.accuracy)} right, {interval(row.accuracy_ci, percent)}"
        by_chance = _Dot("base", row.chance, (row.chance, row.chance), f"most frequent author: {percent(row.chance)}")
        dots = (by_chance, _Dot("imitator", row.accuracy, row.accuracy_ci, right))
        lines.append(_Line(CLASSIFIERS[name], percent(row.accuracy), dots))
    return _lines("author-named", "Texts given to their author", "Share of the texts asked about.", lines)


def _classifiers(rows: Sequence[Attribution]) -> list[str]:
    return [name for name in dict.fromkeys(row.classifier for row in rows) if name != "majority"]


def _lines(key: str, heading: str, description: str, lines: Sequence[_Line]) -> Svg:
    if not lines:
        return Svg("")
    said = " ".join(f"{one.name}: {'; '.join(dot.says for dot in one.dots)}." for one in lines)
    return picture(key, heading, f"{description} {said}", lambda layout: _draw_lines(lines, layout))


def _draw_lines(lines: Sequence[_Line], layout: Layout) -> Drawing:
    # Room on the right for the numbers, or for half of the last tick.
    right = 18.0 if layout.stacked else 72.0
    scale = Scale(0.0, 1.0, layout.name_width + PAD, layout.width - right)
    height = 50.0 if layout.stacked else 36.0
    parts = []
    for number, one in enumerate(lines):
        top = 6 + number * height
        y = top + height - 14 if layout.stacked else top + height / 2
        said = "; ".join(dot.says for dot in one.dots)
        label_y = top + 16 if layout.stacked else y + 5
        room = layout.width - 70 if layout.stacked else layout.name_width
        drawn = [title(f"{one.name}: {said}"), line(scale.left, y, scale.right, y, "track")]
        drawn += [text(0, label_y, fit(one.name, room, NAME_SIZE), "name", full=one.name)]
        drawn += [text(layout.width, label_y, one.value, "value strong", anchor="end")]
        drawn += [_dot(dot, scale, y) for dot in one.dots]
        parts.append(group(*drawn, class_="row"))
    bottom = 6 + len(lines) * height + 4
    ticks = [
        text(scale.at(tick), bottom + 16, f"{100 * tick:.0f}%", "tick", anchor="middle") for tick in scale.ticks(6)
    ]
    return Drawing(group(*parts, line(scale.left, bottom, scale.right, bottom, "axis"), *ticks), bottom + AXIS)


def _dot(dot: _Dot, scale: Scale, y: float) -> Svg:
    spread = [whisker(scale, y, dot.ci)] if dot.part == "imitator" else []
    return group(*spread, mark(dot.part, scale.at(dot.value), y, 5.0, hollow=dot.hollow, says=dot.says))


def map_figure(points: Sequence[MapPoint]) -> Svg:
    """All texts as UMAP places them; nothing without points.

    The roles of a comparison have their marks. Other authors have one, which is fainter the earlier a text stands in
    its order. Of very many texts some are drawn, chosen by a hash of their ids.
    """
    if not points:
        return Svg("")
    shown = sorted(points, key=lambda p: hashlib.sha256(p.id.encode()).digest())[:MAX_POINTS]
    authors = sorted({point.author for point in points})
    few = len(shown) < len(points)
    said = f"{len(shown):,}{f' of {len(points):,}' if few else ''} texts by {len(authors)} authors."
    described = f"{said} Texts that the model sees as alike lie near each other."
    return picture("style-map", "Map of the texts", described, lambda layout: _draw_map(shown, layout))


def _draw_map(points: Sequence[MapPoint], layout: Layout) -> Drawing:
    height = MAP_HEIGHT[layout.key]
    across = _axis([point.x for point in points], DOT + 4, layout.width - DOT - 4)
    down = _axis([point.y for point in points], height - DOT - 4, HEADER)
    faintness = _Faintness(points)
    roles = {point.author for point in points} <= set(_PARTS)
    dots = []
    for point in points:
        x, y = across.at(point.x), down.at(point.y)
        if roles:
            hollow = point.author == "target_second"
            dots.append(mark(_PARTS[point.author], x, y, DOT, hollow=hollow))
        else:
            dots.append(
                element(
                    "circle",
                    title(point.author + (f", {point.order:g}" if point.order is not None else "")),
                    cx=x,
                    cy=y,
                    r=DOT + 0.6,
                    class_="m-target",
                    fill_opacity=faintness(point),
                )
            )
    return Drawing(group(_legend(points, layout, roles), *dots), height)


def _axis(values: Sequence[float], left: float, right: float) -> Scale:
    low, high = min(values), max(values)
    return Scale(low, high if high > low else low + 1.0, left, right)


class _Faintness:
    """Opacity by the place of a text in its order: the last is full."""

    def __init__(self, points: Sequence[MapPoint]) -> None:
        orders = [point.order for point in points if point.order is not None]
        self.low, self.high = (min(orders), max(orders)) if orders else (0.0, 0.0)

    def __call__(self, point: MapPoint) -> float:
        if point.order is None or self.high <= self.low:
            return 0.75
        return FAINTEST + (1 - FAINTEST) * (point.order - self.low) / (self.high - self.low)


def _legend(points: Sequence[MapPoint], layout: Layout, roles: bool) -> Svg:
    x, parts = 6.0, list[Svg]()
    if roles:
        names = {"base": "base", "imitator": "imitator", "target": "target", "target_second": "target, second sample"}
        for role, words in names.items():
            if any(point.author == role for point in points):
                parts += [
                    mark(_PARTS[role], x, 12, 4.5, hollow=role == "target_second"),
                    text(x + 10, 16, words, "note"),
                ]
                x += 26 + text_width(words, NOTE_SIZE)
        return group(*parts)
    scale = _Faintness(points)
    if scale.high <= scale.low:
        return Svg("")
    ends = [(scale.low, FAINTEST), (scale.high, 1.0)]
    for value, opacity in ends:
        words = f"{value:g}"
        dot = element("circle", cx=x, cy=12, r=5.0, class_="m-target", fill_opacity=opacity)
        parts += [dot, text(x + 10, 16, fit(words, layout.width / 2, NOTE_SIZE), "note")]
        x += 26 + text_width(words, NOTE_SIZE)
    return group(*parts)
