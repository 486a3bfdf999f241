"""Gain against support: one panel a benchmark, means of items alike in support, and the line through all items."""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.contracts.support_results import SupportBin, SupportMap, SupportSlope
from components.report.figures.frame import NAME_SIZE, NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.marks import mark
from components.report.figures.scale import Scale
from components.report.figures.svg import Svg, element, fit, group, line, text, title
from components.report.support_map import STEP, per_step
from components.report.wording import count, interval, points, ratio

PANEL = 170.0
HEAD = 58.0
FOOT = 52.0
LEFT = 44.0
MOST_PANELS = 8
"""Drawn; the table has them all."""


def support_figure(made: SupportMap | None) -> Svg:
    """The panels, or nothing where no benchmark has a line; the table says why."""
    drawn = [s for s in made.benchmarks if s.slope is not None][:MOST_PANELS] if made else []
    if not drawn:
        return Svg("")
    said = " ".join(f"{s.benchmark}: {_line_words(s)}; {'; '.join(map(_bin_words, s.bins))}." for s in drawn)
    return picture("support", "Gain against support", said, lambda layout: _draw(drawn, layout))


def _line_words(s: SupportSlope) -> str:
    assert s.slope is not None
    spread = interval(per_step(s.slope_ci), points)
    return f"{points(STEP * s.slope)} points per {STEP:g} of support ({spread or 'no interval'})"


def _bin_words(b: SupportBin) -> str:
    where = ratio(b.low) if b.low == b.high else f"{ratio(b.low)} to {ratio(b.high)}"
    return f"support {where}: {points(b.gain)} points ({interval(b.ci, points) or 'no interval'}), {count(b.n)} items"


def _draw(drawn: Sequence[SupportSlope], layout: Layout) -> Drawing:
    columns = 1 if layout.stacked else min(2, len(drawn))
    width = layout.width / columns
    height = HEAD + PANEL + FOOT
    across, up = _supports(drawn, width - 16), _gains(drawn)
    panels = [
        element(
            "g",
            _panel(s, across, up, width - 16),
            transform=f"translate({number % columns * width:g} {number // columns * height:g})",
        )
        for number, s in enumerate(drawn)
    ]
    return Drawing(group(*panels), height * math.ceil(len(drawn) / columns))


def _supports(drawn: Sequence[SupportSlope], right: float) -> Scale:
    """One axis for all panels, from 0: what lies further right is nearer to the data, on every benchmark."""
    most = max(b.high for s in drawn for b in s.bins)
    return Scale(0.0, max(0.1, 1.05 * most), LEFT, right)


def _gains(drawn: Sequence[SupportSlope]) -> Scale:
    seen = [0.0, *(v for s in drawn for b in s.bins for v in (b.gain, *(b.ci or ())))]
    air = 0.06 * (max(seen) - min(seen)) or 0.05
    return Scale(max(-1.0, min(seen) - air), min(1.0, max(seen) + air), HEAD + PANEL, HEAD)


def _panel(s: SupportSlope, across: Scale, up: Scale, width: float) -> Svg:
    parts = [text(0, 16, fit(s.benchmark, width, NAME_SIZE), "name strong", full=s.benchmark)]
    parts.append(text(0, 34, fit(_line_words(s), width, NOTE_SIZE), "note", full=_line_words(s)))
    for tick in up.ticks(5):
        y = up.at(tick)
        parts += [line(LEFT, y, width, y, "grid"), text(LEFT - 6, y + 4, points(tick), "tick", anchor="end")]
    parts.append(line(LEFT, up.at(0), width, up.at(0), "end base"))
    bottom = HEAD + PANEL
    for tick in across.ticks(6):
        parts.append(line(across.at(tick), bottom, across.at(tick), bottom + 4, "axis"))
        parts.append(text(across.at(tick), bottom + 17, f"{tick:g}", "tick", anchor="middle"))
    parts.append(line(LEFT, bottom, width, bottom, "axis"))
    parts.append(text(0, HEAD - 7, "gain, points", "tick"))
    parts.append(text(width, bottom + 34, "support by the imitation data", "note", anchor="end"))
    return group(*parts, _fitted(s, across, up), *(_mean(b, across, up) for b in s.bins))


def _fitted(s: SupportSlope, across: Scale, up: Scale) -> Svg:
    """The line over the range of the items, cut where it leaves the panel."""
    if s.slope is None or s.gain_at_zero is None:
        return Svg("")
    low, high = s.bins[0].low, s.bins[-1].high
    steps = [low + (high - low) * i / 40 for i in range(41)]
    inside = [(x, s.gain_at_zero + s.slope * x) for x in steps if up.holds(s.gain_at_zero + s.slope * x)]
    path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in (inside[0], inside[-1])) if inside else ""
    return element("polyline", title(_line_words(s)), points=path, class_="fitted") if path else Svg("")


def _mean(b: SupportBin, across: Scale, up: Scale) -> Svg:
    x, parts = across.at(b.support), [title(_bin_words(b))]
    if b.ci is not None:
        low, high = up.clipped(b.ci[0]), up.clipped(b.ci[1])
        parts += [line(x, low, x, high, "whisker"), line(x - 4, low, x + 4, low, "whisker")]
        parts.append(line(x - 4, high, x + 4, high, "whisker"))
    parts.append(mark("imitator", x, up.at(b.gain), 4.5))
    return group(*parts, class_="row")
