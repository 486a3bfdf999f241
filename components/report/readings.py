"""The same benchmark put and read in other ways: what of a change is knowledge, and what is the form of replies.

A stock stop rule takes points from a chatty imitator for its style, and a lenient reading gives them back; a verdict
uses one reading, and a reader must see the others beside it (method sections 2.8 and 2.9).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from components.contracts.reading_results import FormatLoss, Reading
from components.contracts.rows import Channel, PromptStyle, Score
from components.contracts.verdict import Interval
from components.report.clustered import Floats
from components.report.estimates import Change, estimate
from components.report.joining import CHANNELS, Drops, ItemTable, Part

STYLES: tuple[PromptStyle, ...] = ("raw", "chat")
Pair = Literal["base", "imitator"]
PAIR: tuple[Pair, ...] = ("base", "imitator")
NO_DROPS = Drops({}, 0, 0, 0)
Way = tuple[PromptStyle, Channel]


class Variants(NamedTuple):
    """One model's scores on one benchmark, by the way they were had."""

    headline: Way
    """The style of the model's headline, and the channel that the verdict uses."""
    values: Mapping[Way, Mapping[str, float]]
    """Way -> item -> score; NaN where unscored."""


def other_readings(
    scores: Mapping[Part, Sequence[Score]],
    variants: Mapping[Pair, Iterable[Score]],
    joined: Mapping[str, ItemTable],
    *,
    alpha: float,
) -> tuple[tuple[Reading, ...], tuple[FormatLoss, ...]]:
    """Every reading that base and imitator share, and strict changes taken apart.

    Args:
        scores: Part -> headline rows.
        variants: base, imitator -> rows of other styles and channels.
        joined: Benchmark -> the headline's items; other readings count no others.
        alpha: Intervals are at 1 - alpha.
    """
    given = {part: [*scores.get(part, ()), *variants.get(part, ())] for part in PAIR}
    readings: list[Reading] = []
    losses: list[FormatLoss] = []
    for name, table in joined.items():
        both = {part: _variants(name, scores.get(part, ()), given[part], table) for part in PAIR}
        base, imitator = both["base"], both["imitator"]
        if base is None or imitator is None:
            continue
        found = [_reading(table, base, imitator, pair, channel, alpha) for pair, channel in _ways(base, imitator)]
        readings += found if len(found) > 1 else []
        losses += _taken_apart(table, base, imitator, alpha)
    return tuple(readings), tuple(losses)


def _variants(name: str, headline: Iterable[Score], rows: Iterable[Score], table: ItemTable) -> Variants | None:
    items = frozenset(table.items)
    used = next(
        (row for row in headline if row.benchmark == name and row.item_id in items and row.channel == table.channel),
        None,
    )
    if used is None:
        return None
    values: dict[Way, dict[str, float]] = {}
    for row in rows:
        if row.benchmark == name and row.item_id in items:
            value = math.nan if row.value is None else row.value
            values.setdefault((row.prompt_style, row.channel), {})[row.item_id] = value
    return Variants((used.prompt_style, used.channel), values)


def _ways(base: Variants, imitator: Variants) -> list[tuple[tuple[PromptStyle, PromptStyle], Channel]]:
    """Pairs of styles, the headline's first, with every channel that both have."""
    first = (base.headline[0], imitator.headline[0])
    pairs = list(dict.fromkeys([first, *((style, style) for style in STYLES)]))
    order = sorted(CHANNELS, key=lambda channel: channel != base.headline[1])
    return [
        (pair, channel)
        for pair in pairs
        for channel in order
        if (pair[0], channel) in base.values and (pair[1], channel) in imitator.values
    ]


def _reading(
    table: ItemTable,
    base: Variants,
    imitator: Variants,
    styles: tuple[PromptStyle, PromptStyle],
    channel: Channel,
    alpha: float,
) -> Reading:
    values = _aligned(table, base.values[styles[0], channel]), _aligned(table, imitator.values[styles[1], channel])
    scored = ~(np.isnan(values[0]) | np.isnan(values[1]))
    delta, ci = _change(table, *values, alpha)
    return Reading(
        benchmark=table.benchmark,
        base_style=styles[0],
        imitator_style=styles[1],
        channel=channel,
        headline=(styles[0], channel) == base.headline and (styles[1], channel) == imitator.headline,
        n=int(scored.sum()),
        unscored=int((~scored).sum()),
        base=float(values[0][scored].mean()) if scored.any() else None,
        imitator=float(values[1][scored].mean()) if scored.any() else None,
        delta=delta,
        delta_ci=ci,
        reason=None if scored.any() else "no item has a score of both models in this reading",
    )


def _taken_apart(table: ItemTable, base: Variants, imitator: Variants, alpha: float) -> list[FormatLoss]:
    found: dict[Pair, tuple[Floats, Floats]] = {}
    models: dict[Pair, Variants] = {"base": base, "imitator": imitator}
    for part, model in models.items():
        ways: list[Way] = [(model.headline[0], "strict"), (model.headline[0], "extracted")]
        if not all(way in model.values for way in ways):
            return []
        found[part] = _aligned(table, model.values[ways[0]]), _aligned(table, model.values[ways[1]])
    # One item must have both readings of both models, or the parts would not add up.
    missing = np.isnan(np.stack([*found["base"], *found["imitator"]])).any(axis=0)
    for readings in found.values():
        for values in readings:
            values[missing] = np.nan
    strict = _change(table, found["base"][0], found["imitator"][0], alpha)
    knowledge = _change(table, found["base"][1], found["imitator"][1], alpha)
    form = _change(table, found["base"][0] - found["base"][1], found["imitator"][0] - found["imitator"][1], alpha)
    return [
        FormatLoss(
            benchmark=table.benchmark,
            n=int((~missing).sum()),
            strict=strict[0],
            strict_ci=strict[1],
            knowledge=knowledge[0],
            knowledge_ci=knowledge[1],
            form=form[0],
            form_ci=form[1],
        )
    ]


def _aligned(table: ItemTable, values: Mapping[str, float]) -> Floats:
    return np.array([values.get(item, math.nan) for item in table.items])


def _change(table: ItemTable, base: Floats, imitator: Floats, alpha: float) -> tuple[float | None, Interval | None]:
    """Paired, clustered change of method section 5."""
    read = ItemTable(table.benchmark, {"base": base, "imitator": imitator}, table.clusters, NO_DROPS)
    change: Change | None = estimate(table.benchmark, read, {}).change
    if change is None:
        return None, None
    ci = change.interval(alpha)
    return change.value, ci if all(map(math.isfinite, ci)) else None


def format_remarks(losses: Iterable[FormatLoss]) -> list[str]:
    """Where the form of replies moved points by itself, beyond its interval."""
    found = []
    for loss in losses:
        if loss.form is not None and loss.form_ci is not None and not loss.form_ci[0] <= 0 <= loss.form_ci[1]:
            verb = "cost" if loss.form < 0 else "brought"
            found.append(
                f"{loss.benchmark}: under the strict rule the form of its replies alone {verb} the imitator"
                f" {abs(100 * loss.form):.1f} points; that is style, not knowledge."
            )
    return found
