"""Which rows the numbers of each table come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.report.page_inputs import RowSource

_SCORES = ("base_scores", "imitator_scores", "target_scores", "published")
_TONES = ("base_tones", "imitator_tones", "target_tones")
PORTS: Mapping[str, tuple[str, ...]] = {
    "scores-table": _SCORES,
    "tests-table": (*_SCORES, "support", "claims"),
    "pooled-table": (*_SCORES, "support", "claims"),
    "style-table": ("profiles", "published_style"),
    "support-table": ("base_scores", "imitator_scores", "support"),
    "preference-table": ("judgments", "features"),
    "pull-table": ("judgments", "features"),
    "raters-table": ("judgments", "gold"),
    "rater-pools-table": ("judgments",),
    "rater-records-table": ("judgments",),
    "judges-table": ("placebo_judgments", "judgments", "gold"),
    "confident-table": (*_TONES, "base_scores", "imitator_scores", "target_scores"),
    "format-table": ("base_variants", "imitator_variants", "base_scores", "imitator_scores"),
    "readings-table": ("base_variants", "imitator_variants", "base_scores", "imitator_scores"),
    "attribution-table": ("attributions", "attributed"),
    "apart-table": ("told_apart", "told_apart_texts"),
    "data-table": ("figures",),
    "leakage-table": ("overlap", "figures", "base_scores", "imitator_scores"),
    "checks-table": ("checks",),
}
"""Table -> ports; tables of categories are made of `figures`."""


def sources_of(key: str, sources: Sequence[RowSource]) -> tuple[RowSource, ...]:
    """The sources of a table that were given, in the order of the ports.

    Args:
        key: The table's.
        sources: All of the page's.
    """
    ports = PORTS.get(key, ("figures",) if key.startswith("categories") else ())
    known = {source.name: source for source in sources}
    return tuple(known[port] for port in ports if port in known)
