"""Rows of one mark with an interval on a shared axis from 0 (base) to 1: a forest plot for gap closed and closeness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.contracts.verdict import Interval
from components.report.figures.frame import NAME_SIZE, NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.marks import Part, mark, off_axis, whisker
from components.report.figures.scale import Scale, domain
from components.report.figures.svg import Svg, fit, group, line, rect, text, text_width, title, wrap
from components.report.wording import finite, finite_interval, interval, ratio

HEADER = 34.0
AXIS = 40.0
PAD = 10.0
STACKED_TRACK = 29.0
"""Height of a track on a phone, below its words."""


@dataclass(frozen=True)
class TrackRow:
    """One line of the chart."""

    name: str
    value: float | None
    ci: Interval | None
    note: str = ""
    """Small print under the name."""
    missing: str = ""
    """Written in place of the mark when there is no value."""
    pooled: bool = False
    """Summary row: set apart and bold."""
    counted: bool = True
    """False draws the mark hollow."""

    @property
    def says(self) -> str:
        """The row as a sentence."""
        if finite(self.value) is None:
            return f"{self.name}: {self.missing or 'no number'}"
        return f"{self.name}: {ratio(self.value)}, {interval(self.ci, ratio) or 'no interval'}"


@dataclass(frozen=True)
class TrackChart:
    """Everything the chart needs; `ends` name what 0 and 1 stand for."""

    key: str
    title: str
    description: str
    rows: tuple[TrackRow, ...]
    ends: tuple[str, str]
    limits: tuple[tuple[float, str], ...] = ()
    """Policy lines: value and a short label, in rising order."""
    band: float | None = None
    """Values below this are shaded as negligible."""
    outer: tuple[float, float] = (-0.6, 1.6)

    def scale(self, layout: Layout) -> Scale:
        """The shared axis: always holds 0 and 1."""
        seen = [v for row in self.rows for v in (finite(row.value), *(finite_interval(row.ci) or ())) if v is not None]
        lo, hi = domain(seen, inner=(-0.1, 1.1), outer=self.outer)
        return Scale(lo, hi, layout.name_width + PAD, layout.width - layout.value_width - PAD)


def track_chart(chart: TrackChart) -> Svg:
    """The picture, wide and narrow."""
    described = " ".join((chart.description, *(f"{row.says}." for row in chart.rows)))
    return picture(chart.key, chart.title, described, lambda layout: _draw(chart, layout))


def _draw(chart: TrackChart, layout: Layout) -> Drawing:
    scale = chart.scale(layout)
    y = HEADER
    rows: list[Svg] = []
    tracks: list[tuple[float, float]] = []
    for before, row in zip((None, *chart.rows), chart.rows, strict=False):
        if row.pooled and before is not None and not before.pooled:
            rows.append(line(0, y + 2, layout.width, y + 2, "rule"))
            y += 6
        height = row_height(row, layout)
        rows.append(_row(row, scale, layout, y, height))
        y += height
        tracks.append((y - STACKED_TRACK, y))
    # On a phone words stand above the tracks, and no line runs through them.
    under = [_background(chart, scale, *place) for place in (tracks if layout.stacked else [(HEADER - 6, y)])]
    return Drawing(group(*under, _ends(chart, scale), *rows, _axis(chart, scale, layout, y)), y + AXIS)


def row_height(row: TrackRow, layout: Layout) -> float:
    """Room for the name, its note and, on a phone, the track below them."""
    if layout.stacked:
        why = wrap(row.missing, layout.width - 4 * PAD, NOTE_SIZE) if finite(row.value) is None else []
        return (66.0 if row.note else 50.0) + 10 * max(0, len(why) - 1)
    lines = len(wrap(row.name, layout.name_width, NAME_SIZE))
    return 20.0 + 17 * lines + (15 if row.note else 0)


def _background(chart: TrackChart, scale: Scale, top: float, bottom: float) -> Svg:
    shade = []
    if chart.band is not None and scale.holds(chart.band):
        shade = [rect(scale.left, top, scale.at(chart.band) - scale.left, bottom - top, "band")]
    limits = [line(scale.at(v), top, scale.at(v), bottom, "limit") for v, _ in chart.limits if scale.holds(v)]
    ends = [line(scale.at(v), top, scale.at(v), bottom, f"end {part}") for v, part in ((0, "base"), (1, "target"))]
    return group(*shade, *limits, *ends)


def _ends(chart: TrackChart, scale: Scale) -> Svg:
    """Names of 0 and 1 above the axis, each with its mark; pushed inwards where the picture would end."""
    parts: list[Svg] = []
    sides: tuple[tuple[int, Part], ...] = ((0, "base"), (1, "target"))
    for value, part in sides:
        x = scale.at(value)
        label = fit(chart.ends[value], (scale.right - scale.left) / 2 - 14, NOTE_SIZE)
        parts.append(mark(part, x, 12, 4.5))
        room = text_width(label, NOTE_SIZE) + 10
        before = value == 1 and x + room > scale.right + PAD
        parts.append(text(x + (-10 if before else 10), 16, label, "note", anchor="end" if before else "start"))
    return group(*parts)


def _row(row: TrackRow, scale: Scale, layout: Layout, top: float, height: float) -> Svg:
    y = top + height - 16 if layout.stacked else top + height / 2
    strong = "name strong" if row.pooled else "name"
    parts = [title(row.says), line(scale.left, y, scale.right, y, "track")]
    parts += _labels(row, layout, top, height, strong)
    value = finite(row.value)
    if value is None:
        return group(*parts, *_missing(row, scale, y), class_="row")
    ci = finite_interval(row.ci)
    if ci is not None:
        parts.append(whisker(scale, y, ci))
    if scale.holds(value):
        parts.append(mark("imitator", scale.at(value), y, 7.0 if row.pooled else 5.5, hollow=not row.counted))
    else:
        parts.append(off_axis(scale, y, value))
    return group(*parts, class_="row")


def _missing(row: TrackRow, scale: Scale, y: float) -> list[Svg]:
    """Why there is no mark, in its place."""
    words = row.missing or "no number"
    lines = wrap(words, scale.right - scale.left - 16, NOTE_SIZE)
    wide, top = max(text_width(each, NOTE_SIZE) for each in lines), y - 8 * (len(lines) - 1)
    back = rect(scale.left, top - 9, wide + 12, 2 + 16 * len(lines), "paper")
    shown = [text(scale.left + 6, top + 4 + 16 * i, each, "note italic", full=words) for i, each in enumerate(lines)]
    return [back, *shown]


def _labels(row: TrackRow, layout: Layout, top: float, height: float, class_: str) -> list[Svg]:
    number, spread_words = _numbers(row)
    if layout.stacked:
        used = text_width(f"{number} {spread_words}", NOTE_SIZE + 1) + 16 if number else 0
        # A long name takes the first line, and the numbers go down to the note.
        below = bool(row.note) and text_width(row.name, NAME_SIZE) > layout.width - used
        name_width, note_width = layout.width - used * (not below), layout.width - used * below
        value_y = top + (33 if below else 16)
        parts = [text(0, top + 16, fit(row.name, name_width, NAME_SIZE), class_, full=row.name)]
        if row.note:
            parts.append(text(0, top + 33, fit(row.note, note_width, NOTE_SIZE), "note", full=row.note))
    else:
        lines = wrap(row.name, layout.name_width, NAME_SIZE)
        y = top + height / 2 - (17 * (len(lines) - 1) + (15 if row.note else 0)) / 2 + 5
        parts = [text(0, y + 17 * i, words, class_, full=row.name) for i, words in enumerate(lines)]
        if row.note:
            under = y + 17 * (len(lines) - 1) + 16
            parts.append(text(0, under, fit(row.note, layout.name_width, NOTE_SIZE), "note", full=row.note))
        value_y = top + height / 2 + 5
    if number:
        right = layout.width
        parts.append(text(right, value_y, spread_words, "value note", anchor="end"))
        left = right - text_width(spread_words, NOTE_SIZE) - 6
        parts.append(text(left, value_y, number, "value strong", anchor="end"))
    return parts


def _numbers(row: TrackRow) -> tuple[str, str]:
    """The value and its interval, as printed beside the row."""
    if finite(row.value) is None:
        return "", ""
    return ratio(row.value), interval(row.ci, ratio) or "no interval"


def _axis(chart: TrackChart, scale: Scale, layout: Layout, y: float) -> Svg:
    parts = [line(scale.left, y, scale.right, y, "axis")]
    parts += [
        text(scale.at(tick), y + 16, ratio(tick) if tick % 1 else f"{tick:.0f}", "tick", anchor="middle")
        for tick in scale.ticks(5 if layout.stacked else 8)
    ]
    parts += _limit_labels(chart.limits, scale, layout, y)
    return group(*parts)


def _limit_labels(limits: Sequence[tuple[float, str]], scale: Scale, layout: Layout, y: float) -> list[Svg]:
    """Two limits stand close together: the lower one's label runs left of its line, the upper one's right of it."""
    parts: list[Svg] = []
    for i, (value, words) in enumerate(limits):
        if not scale.holds(value):
            continue
        leftwards = len(limits) > 1 and i == 0
        x = scale.at(value) + (3 if leftwards else -3)
        room = x if leftwards else layout.width - x
        label = words if text_width(words, NOTE_SIZE) <= room else ratio(value)
        parts.append(text(x, y + 33, label, "tick faint", anchor="end" if leftwards else "start", full=words))
    return parts
