"""Picture (a): how much of the gap between base and target each benchmark closed, with intervals."""

from __future__ import annotations

from components.contracts.verdict import BenchmarkResult, Verdict
from components.report.figures.svg import Svg
from components.report.figures.tracks import TrackChart, TrackRow, track_chart
from components.report.page_inputs import PolicyLimits
from components.report.wording import count, distinct_pools, finite, ratio


def gap_closed_chart(verdict: Verdict, limits: PolicyLimits) -> TrackChart:
    """The chart's rows and lines, before it is drawn."""
    rows = [benchmark_row(result) for result in verdict.benchmarks]
    if len(rows) > 1:
        rows += [
            TrackRow(
                name=name,
                value=part.gap_closed,
                ci=part.ci,
                note=f"{len(part.benchmarks)} benchmark{'s' if len(part.benchmarks) != 1 else ''}",
                missing=part.reason or "not measurable",
                pooled=True,
            )
            for name, part in distinct_pools(verdict.pooled)
            if part.benchmarks
        ]
    negligible, gain = limits.negligible_gap_closed, limits.capability_gap_closed
    lines = []
    if negligible is not None:
        lines.append((negligible, f"negligible below {ratio(negligible)}"))
    if gain is not None:
        lines.append((gain, f"a gain from {ratio(gain)}"))
    return TrackChart(
        key="gap-closed",
        title="Share of the gap to the target closed, per benchmark",
        description="0 is the base, 1 is the target.",
        rows=tuple(rows),
        ends=("base", "target"),
        limits=tuple(lines),
        band=negligible,
    )


def benchmark_row(result: BenchmarkResult, name: str | None = None) -> TrackRow:
    """One benchmark; where the gap cannot be measured the reason stands in the row."""
    measurable = finite(result.gap_closed) is not None
    return TrackRow(
        name=name or result.name,
        value=result.gap_closed,
        ci=result.gap_closed_ci,
        note=f"n {count(result.n)} · {result.label}",
        missing="" if measurable else f"not measurable: {result.gap_closed_reason or 'no reason recorded'}",
    )


def gap_closed_figure(verdict: Verdict, limits: PolicyLimits) -> Svg:
    """The picture, or nothing when no benchmark was given."""
    return track_chart(gap_closed_chart(verdict, limits)) if verdict.benchmarks else Svg("")
