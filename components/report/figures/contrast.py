"""The picture at the top: preference, style and capability in one view, on one axis: the study's striking contrast.

All bars answer "how far to the target?": the share of prompts on which raters found the model at least as good, the
share of the target's style that it took on, and the share of the benchmark gap that it closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.contracts.verdict import Interval, PreferenceResult, Verdict
from components.report.figures.frame import NAME_SIZE, NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.marks import whisker
from components.report.figures.scale import Scale, domain
from components.report.figures.svg import Svg, fit, group, line, rect, text, text_width, title, wrap
from components.report.wording import count, distinct_pools, finite, finite_interval, interval, percent, ratio

MOST_SOURCES = 6
BAR = 24.0
ROW = 66.0
HEADING = 30.0
LINE = 18.0
HEADING_SIZE = 1.08 * NAME_SIZE
"""Bold letters are a little wider than the table of widths says."""


@dataclass(frozen=True)
class ContrastBar:
    """One bar: filled up to `value`, the rest of the way to the target left open."""

    name: str
    value: float | None
    ci: Interval | None
    shown: str
    """The number with its interval, as printed."""
    missing: str = ""
    tie: float = 0.0
    """Part of `value` that were ties, drawn lighter."""
    note: str = ""
    """Small print under the bar's name."""


@dataclass(frozen=True)
class ContrastBlock:
    """Bars under one question."""

    heading: str
    bars: tuple[ContrastBar, ...]


def contrast_blocks(verdict: Verdict, names: Mapping[str, str]) -> tuple[ContrastBlock, ...]:
    """The questions with their bars; one that nobody asked has an empty one, unless nobody asked any."""
    against_target = [row for row in verdict.preference if row.opponent == names["target"]]
    raters = tuple(_preference_bar(row) for row in against_target[:MOST_SOURCES])
    pools = tuple(
        ContrastBar(
            name=name,
            value=finite(part.gap_closed),
            ci=finite_interval(part.ci),
            shown=_with_interval(ratio(part.gap_closed), interval(part.ci, ratio)),
            missing=part.reason or "not measurable",
            note=", ".join(part.benchmarks),
        )
        for name, part in distinct_pools(verdict.pooled)
        if part.benchmarks
    )
    asked = (
        (f"Prompts on which raters found it at least as good as {names['target']}", raters, "no judgments were given"),
        (f"Style of {names['target']} taken on", _style_bars(verdict), "no outputs were given"),
        (f"Gap from {names['base']} to {names['target']} closed on benchmarks", pools, "no scores were given"),
    )
    if sum(bool(bars) for _, bars, _ in asked) < 2:
        return ()
    return tuple(ContrastBlock(heading, bars or (_unasked(why),)) for heading, bars, why in asked)


def _unasked(why: str) -> ContrastBar:
    return ContrastBar("not measured", None, None, "", missing=why)


def _style_bars(verdict: Verdict) -> tuple[ContrastBar, ...]:
    style = verdict.style
    if not style.metrics:
        return ()
    ceiling = "identity with the target: a lower bound" if style.lower_bound else "a second sample of the target"
    return (
        ContrastBar(
            name="closeness of surface traits",
            value=finite(style.closeness),
            ci=finite_interval(style.ci),
            shown=_with_interval(ratio(style.closeness), interval(style.ci, ratio)),
            missing=style.reason or "not measurable",
            note=f"1 = {ceiling}",
        ),
    )


def _with_interval(number: str, spread_words: str) -> str:
    return f"{number} ({spread_words})" if spread_words else f"{number} (no interval)"


def _preference_bar(row: PreferenceResult) -> ContrastBar:
    judged = row.wins + row.ties + row.losses
    flags = " · judge not qualified" if row.qualified is False else ""
    return ContrastBar(
        name=f"{row.model}, judged by {row.source}",
        value=finite(row.at_least_target),
        ci=finite_interval(row.ci),
        shown=_with_interval(percent(row.at_least_target), interval(row.ci, percent)),
        missing=row.note or "no readable outcome",
        tie=row.ties / judged if judged else 0.0,
        note=f"{count(row.wins)} won, {count(row.ties)} tied, {count(row.losses)} lost{flags}",
    )


def contrast_figure(verdict: Verdict, names: Mapping[str, str]) -> Svg:
    """The picture, or nothing where only one question was asked: a contrast needs two sides."""
    blocks = contrast_blocks(verdict, names)
    if not blocks:
        return Svg("")
    said = " ".join(
        f"{block.heading}: " + "; ".join(f"{bar.name} {_said(bar)}" for bar in block.bars) + "." for block in blocks
    )
    return picture("contrast", "Preference, style and capability", said, lambda layout: _draw(blocks, layout))


def _said(bar: ContrastBar) -> str:
    return bar.missing if bar.value is None else bar.shown


def contrast_scale(blocks: Sequence[ContrastBlock], layout: Layout) -> Scale:
    """0 to 1, with room to the left where a model fell below its base."""
    seen = [v for block in blocks for bar in block.bars for v in (bar.value, *(bar.ci or ())) if v is not None]
    lo, hi = domain([v for v in seen if not 0 <= v <= 1], inner=(0.0, 1.0), outer=(-0.4, 1.3))
    return Scale(lo, hi, 4, layout.width - 10)


def _draw(blocks: Sequence[ContrastBlock], layout: Layout) -> Drawing:
    scale = contrast_scale(blocks, layout)
    y = 0.0
    parts: list[Svg] = []
    for block in blocks:
        for words in wrap(block.heading, layout.width, HEADING_SIZE):
            parts.append(text(0, y + 20, words, "name strong", full=block.heading))
            y += LINE
        y += HEADING - LINE
        for bar in block.bars:
            parts.append(_bar(bar, scale, layout, y))
            y += ROW
        y += 8
    ticks = [line(scale.at(v), y - 4, scale.at(v), y, "axis") for v in (0, 0.5, 1)]
    labels = ((0.0, "0 = base" if not layout.stacked else "0"), (0.5, "half"), (1.0, "1 = target"))
    words_below = [
        text(scale.at(v), y + 14, label, "tick", anchor="end" if v == 1 else "middle" if v else "start")
        for v, label in labels
    ]
    return Drawing(group(*parts, *ticks, *words_below), y + 24)


def _bar(bar: ContrastBar, scale: Scale, layout: Layout, top: float) -> Svg:
    y = top + 22
    zero, one = scale.at(0), scale.at(1)
    parts = [title(f"{bar.name}: {_said(bar)}"), rect(zero, y, one - zero, BAR, "open", rx=3)]
    number = bar.shown if bar.value is not None else ""
    room = layout.width - text_width(number, 13) - 12
    parts.append(text(0, top + 16, fit(bar.name, room, 13), "name small", full=bar.name))
    parts.append(text(layout.width, top + 16, number, "value strong", anchor="end"))
    if bar.value is None:
        shown = fit(bar.missing, one - zero - 16, NOTE_SIZE)
        return group(*parts, text(zero + 8, y + 16, shown, "note italic", full=bar.missing), class_="row")
    x = scale.clipped(bar.value)
    parts.append(rect(min(zero, x), y, abs(x - zero), BAR, "fill-imitator", rx=3))
    if bar.tie > 0:
        width = min(bar.tie, bar.value) * (one - zero)
        parts.append(rect(x - width, y, width, BAR, "tie"))
    if bar.ci is not None:
        parts.append(whisker(scale, y + BAR / 2, bar.ci, "whisker strong"))
    if bar.note:
        parts.append(text(0, y + BAR + 14, fit(bar.note, layout.width, NOTE_SIZE), "note", full=bar.note))
    return group(*parts, class_="row")
