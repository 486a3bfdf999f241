"""Picture (b): raw scores, base to imitator to target, one row a benchmark or an arm; numbers stand on the marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.contracts.verdict import BenchmarkResult, Interval, Verdict
from components.report.figures.frame import NAME_SIZE, NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.marks import mark, whisker
from components.report.figures.scale import Scale, spread
from components.report.figures.svg import Svg, fit, group, line, text, text_width, title, wrap
from components.report.wording import bare_percent, finite, finite_interval, interval, percent

PAD = 16.0
VALUE_SIZE = 13.0
AXIS = 30.0
HEADING = 30.0


@dataclass(frozen=True)
class ScoreRow:
    """Three scores on one line."""

    name: str
    base: float | None
    imitator: float | None
    target: float | None
    note: str = ""
    ci: Interval | None = None
    """Interval drawn around the imitator."""

    @property
    def says(self) -> str:
        """The row as a sentence."""
        spread_words = interval(self.ci, percent)
        around = f" ({spread_words})" if spread_words else ""
        target = "not measured" if finite(self.target) is None else percent(self.target)
        return f"{self.name}: base {percent(self.base)}, imitator {percent(self.imitator)}{around}, target {target}"


@dataclass(frozen=True)
class ScoreGroup:
    """Rows under a common heading; an empty heading takes no room."""

    heading: str
    rows: tuple[ScoreRow, ...]


def scores_figure(verdict: Verdict) -> Svg:
    """Every benchmark of a verdict, or nothing when there is none."""
    rows = tuple(_benchmark_row(result) for result in verdict.benchmarks)
    if not rows:
        return Svg("")
    return score_chart("scores", "Raw scores of base, imitator and target", (ScoreGroup("", rows),))


def _benchmark_row(result: BenchmarkResult) -> ScoreRow:
    note = "target not measured" if finite(result.target) is None else ""
    return ScoreRow(result.name, finite(result.base), finite(result.imitator), finite(result.target), note)


def score_chart(key: str, heading: str, groups: Sequence[ScoreGroup]) -> Svg:
    """The picture, wide and narrow."""
    described = " ".join(
        f"{block.heading + ', ' if block.heading else ''}{row.says}." for block in groups for row in block.rows
    )
    return picture(key, heading, described, lambda layout: _draw(groups, layout))


def score_scale(groups: Sequence[ScoreGroup], layout: Layout) -> Scale:
    """From 0 to the next round tenth above every score."""
    rows = [row for block in groups for row in block.rows]
    seen = [v for r in rows for v in (r.base, r.imitator, r.target, *(finite_interval(r.ci) or ())) if v is not None]
    top = min(1.0, (int(max(seen, default=1.0) * 10 - 1e-9) + 1) / 10)
    return Scale(0.0, max(top, 0.1), layout.name_width + PAD, layout.width - PAD)


def _draw(groups: Sequence[ScoreGroup], layout: Layout) -> Drawing:
    scale = score_scale(groups, layout)
    y = 6.0
    parts: list[Svg] = []
    for block in groups:
        if block.heading:
            words = fit(block.heading, layout.width, NAME_SIZE)
            parts.append(text(0, y + 20, words, "name strong", full=block.heading))
            y += HEADING
        for row in block.rows:
            height = row_height(row, layout)
            parts.append(_row(row, scale, layout, y, height))
            y += height
    ticks = scale.ticks(6)
    grid = [line(scale.at(tick), 6, scale.at(tick), y, "grid") for tick in ticks]
    axis = [text(scale.at(tick), y + 17, f"{100 * tick:.0f}%", "tick", anchor="middle") for tick in ticks]
    base_line = line(scale.left, y, scale.right, y, "axis")
    return Drawing(group(*grid, base_line, *axis, *parts), y + AXIS)


def row_height(row: ScoreRow, layout: Layout) -> float:
    """Room for a label above and one below the marks, and on a phone for the name on top."""
    return 84.0 if layout.stacked else 60.0 if row.note or row.name else 56.0


def _row(row: ScoreRow, scale: Scale, layout: Layout, top: float, height: float) -> Svg:
    y = top + (54 if layout.stacked else height / 2)
    parts = [title(row.says), line(scale.left, y, scale.right, y, "track"), *_names(row, layout, top, y)]
    xs = {part: scale.at(v) for part, v in _scores(row).items()}
    if "imitator" in xs and "target" in xs:
        parts.append(line(xs["imitator"], y, xs["target"], y, "link to-target"))
    if "base" in xs and "imitator" in xs:
        parts.append(line(xs["base"], y, xs["imitator"], y, "link to-imitator"))
    ci = finite_interval(row.ci)
    if ci is not None and "imitator" in xs:
        parts.append(whisker(scale, y, ci))
    if "target" in xs:
        parts.append(mark("target", xs["target"], y))
    if "base" in xs:
        parts.append(mark("base", xs["base"], y))
    if "imitator" in xs:
        parts.append(mark("imitator", xs["imitator"], y, 5.5))
    return group(*parts, *_values(row, scale, layout, y), class_="row")


def _scores(row: ScoreRow) -> dict[str, float]:
    scores = {"base": row.base, "imitator": row.imitator, "target": row.target}
    return {part: value for part, value in scores.items() if value is not None}


def _names(row: ScoreRow, layout: Layout, top: float, y: float) -> list[Svg]:
    if layout.stacked:
        used = text_width(row.note, NOTE_SIZE) + 16 if row.note else 0
        parts = [text(0, top + 16, fit(row.name, layout.width - used, NAME_SIZE), "name", full=row.name)]
        return [*parts, text(layout.width, top + 16, row.note, "note", anchor="end")] if row.note else parts
    lines = wrap(row.name, layout.name_width, NAME_SIZE)
    start = y + 5 - (17 * (len(lines) - 1) + (15 if row.note else 0)) / 2
    parts = [text(0, start + 17 * i, words, "name", full=row.name) for i, words in enumerate(lines)]
    if row.note:
        below = start + 17 * (len(lines) - 1) + 16
        parts.append(text(0, below, fit(row.note, layout.name_width, NOTE_SIZE), "note", full=row.note))
    return parts


def _values(row: ScoreRow, scale: Scale, layout: Layout, y: float) -> list[Svg]:
    """Imitator and target above the line, moved apart where they would touch; the base below it."""
    above = [(part, v) for part, v in _scores(row).items() if part != "base"]
    labels = [bare_percent(v) for _, v in above]
    widths = [text_width(label, VALUE_SIZE) for label in labels]
    left = layout.name_width
    centres = spread([scale.at(v) for _, v in above], widths, left, layout.width)
    parts = [
        text(x, y - 13, label, f"value on-{part}", anchor="middle")
        for x, label, (part, _) in zip(centres, labels, above, strict=True)
    ]
    if row.base is not None:
        label = bare_percent(row.base)
        at = spread([scale.at(row.base)], [text_width(label, VALUE_SIZE)], left, layout.width)[0]
        parts.append(text(at, y + 22, label, "value on-base", anchor="middle"))
    return parts
