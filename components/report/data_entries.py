"""What the imitation data are and leak, and what the work took, as entries with addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.contracts.data_rows import DataFigures
from components.contracts.verdict import Verdict
from components.report import data_measures as of
from components.report.entries import Entry, gathered
from components.report.page_inputs import CostLine

SETTINGS = "settings"
"""Stands for a port where a number is on record and its rows are not kept."""


def trained_on(verdict: Verdict) -> Iterator[Entry]:
    """The tables of the imitation data, set by set."""
    data = verdict.data
    if data is None:
        return
    changes = {change.benchmark: change for change in data.clean_dirty}
    support = {b.name: b.support for b in verdict.benchmarks}
    for place, f in enumerate(data.figures, 1):
        chosen = (("name", f.name),) if f.name else ()
        values = _figures(f)
        for field, measure in of.DATA.items():
            part = gathered(**{str(place): values[field]}, n=f.dialogues, queries=f.diversity_queries)
            yield Entry(f"data.{field}", part, {str(place): measure}, chosen)
        for leak in f.leakage:
            change = changes.get(leak.benchmark)
            known = change.model_dump() if change else {"delta_clean": None, "delta_dirty": None}
            part = gathered(**{**leak.model_dump(), **known, "support": support.get(leak.benchmark)})
            part.__dict__.setdefault("delta_clean_ci", None)
            part.__dict__.setdefault("delta_dirty_ci", None)
            yield Entry(leak_address(leak.benchmark, place), part, of.LEAKAGE, (("benchmark", leak.benchmark),))
        for share in f.categories:
            yield Entry(category_address(share.category, place), share, of.CATEGORY, chosen)


def leak_address(benchmark: str, place: int) -> str:
    """Of a benchmark, or of the held-out prompts, in a set of data."""
    return f"leakage.{benchmark or 'prompts'}" + (f".{place}" if place > 1 else "")


def category_address(category: str, place: int) -> str:
    """Of a kind of queries in a set of data."""
    return f"categories.{place}.{category.replace(' ', '_')}"


def _figures(f: DataFigures) -> dict[str, float | int | None]:
    """Row of the table -> its number."""
    summed = ("removed", "sources", "targets", "languages", "terms", "redacted")
    return {
        "dialogues": f.dialogues,
        "turns": f.turns,
        "imitation_words": f.imitation_words,
        **{name: sum(getattr(f, name).values()) for name in summed},
        "diversity": f.diversity_bleu,
        "toxic": f.toxic_share,
    }


def taken(costs: Sequence[CostLine]) -> Iterator[Entry]:
    """What the work took, line by line."""
    for place, line in enumerate(costs, 1):
        fields = {name: measure._replace(ports=(line.port or SETTINGS,)) for name, measure in of.COST.items()}
        yield Entry(f"costs.{place}", line, fields)
