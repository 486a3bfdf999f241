"""Picture (c): how close each style metric came to a second sample of the target."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.verdict import Interval, StyleMetric, StyleResult
from components.report.figures.svg import Svg
from components.report.figures.tracks import TrackChart, TrackRow, track_chart
from components.report.page_inputs import PolicyLimits
from components.report.wording import finite, metric_number, metric_title, ratio


def style_chart(style: StyleResult, limits: PolicyLimits) -> TrackChart:
    """The chart's rows and lines, before it is drawn."""
    rows = [_metric_row(name, metric) for name, metric in style.metrics.items()]
    rows.append(
        TrackRow(
            name="Overall",
            value=style.closeness,
            ci=style.ci,
            note="lower bound" if style.lower_bound and finite(style.closeness) is not None else "",
            missing=style.reason or "not measurable",
            pooled=True,
        )
    )
    captured = limits.style_captured
    return TrackChart(
        key="style",
        title="Style closeness per metric",
        description=f"0 is the base, 1 is {ceiling_words(style)}.",
        rows=tuple(rows),
        ends=("base", "ceiling"),
        limits=((captured, f"captured from {ratio(captured)}"),) if captured is not None else (),
        outer=(-0.4, 1.5),
    )


def ceiling_words(style: StyleResult) -> str:
    """What the ceiling is."""
    return "identity with the target" if style.lower_bound else "a second sample of the target"


def _metric_row(name: str, metric: StyleMetric) -> TrackRow:
    number = metric_number(name)
    raw = f"{number(metric.base)} → {number(metric.imitator)} of {number(metric.ceiling)}"
    return TrackRow(
        name=metric_title(name),
        value=metric.closeness,
        ci=metric.ci,
        # Without a number the reason stands in its place.
        note=raw if metric.measurable or finite(metric.closeness) is None else f"{raw} · not counted",
        missing=f"not measurable: {metric.reason or 'base and ceiling are too close'}",
        counted=metric.measurable,
    )


def style_figure(style: StyleResult, limits: PolicyLimits) -> Svg:
    """The picture, or nothing when no style was measured."""
    return track_chart(style_chart(style, limits)) if style.metrics else Svg("")


def closeness_by_arm(arms: Sequence[tuple[str, float | None, Interval | None, str]], limits: PolicyLimits) -> Svg:
    """Overall closeness of several arms on one axis: name, value, interval, reason for a missing number."""
    captured = limits.style_captured
    chart = TrackChart(
        key="arm-style",
        title="Style closeness to the target, by arm",
        description="0 is the base, 1 is a second sample of the target.",
        rows=tuple(TrackRow(name=arm, value=v, ci=ci, missing=why) for arm, v, ci, why in arms),
        ends=("base", "ceiling"),
        limits=((captured, f"captured from {ratio(captured)}"),) if captured is not None else (),
        outer=(-0.4, 1.5),
    )
    return track_chart(chart)
