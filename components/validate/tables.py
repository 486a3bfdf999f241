"""What the suite looks at: the dialogues, their queries' neighbours, the benchmarks they leak, their categories."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.contracts.data_rows import BenchmarkLeakage, CategoryShare
from components.validate.suite import TableName
from components.validate.table import COLUMNS, DialogueTable

HELD_OUT = "held-out prompts"
NOUNS: Mapping[TableName, str] = {
    "dialogues": "dialogues",
    "neighbours": "queries",
    "leakage": "benchmarks",
    "categories": "categories",
}
MAX_UNSCORED_SHARE = 0.02
"""Above this share of unscored dialogues the toxicity share counts as not measured (method section 3)."""


@dataclass(frozen=True)
class Tables:
    """The tables by name. One that was not measured has a reason in `unmeasured` instead of rows."""

    dialogues: DialogueTable
    neighbours: array[float] = field(default_factory=lambda: array("d"))
    """BLEU of each query to its most similar other query, 0 to 100."""
    leakage: Sequence[BenchmarkLeakage] = ()
    categories: Sequence[CategoryShare] = ()
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Table or column -> why nothing is known about it."""

    def columns(self, table: TableName) -> tuple[str, ...]:
        """Column names of a table."""
        return tuple(COLUMNS) if table == "dialogues" else tuple(self.frame(table).columns)

    def dialogue_id(self, row: int) -> str:
        """The id in a line of the dialogues."""
        return self.dialogues.texts["id"][row]

    def largest(self, column: str, limit: int) -> list[int]:
        """Rows of the dialogues with the largest values of a column, zeros left out."""
        values = self.dialogues.numbers[column]
        ranked = sorted((-value, row) for row, value in enumerate(values) if value > 0)
        return [row for _, row in ranked[:limit]]

    def highest(self, table: TableName) -> str:
        """The largest share of a table of shares, in words; empty for the other tables."""
        if table == "leakage":
            one = max(self.leakage, key=_dirty_share)
            name = one.benchmark or HELD_OUT
            return f"most in {name}: {one.dirty} of {one.n} ({_dirty_share(one):.1%})"
        if table == "categories":
            largest = max(self.categories, key=_share)
            return f"most are {largest.category}: {largest.share:.1%}"
        return ""

    def frame(self, table: TableName) -> Any:
        """A table as pandas has it."""
        import pandas as pd  # type: ignore[import-untyped]  # heavy, and the command line reads this box

        if table == "neighbours":
            return pd.DataFrame({"bleu": self.neighbours, "query": range(len(self.neighbours))})
        if table == "leakage":
            names = [one.benchmark or HELD_OUT for one in self.leakage]
            return pd.DataFrame({"benchmark": names, "dirty_share": [_dirty_share(one) for one in self.leakage]})
        if table == "categories":
            names = [one.category for one in self.categories]
            return pd.DataFrame({"category": names, "share": [one.share for one in self.categories]})
        made = {}
        for name, (kind, _) in COLUMNS.items():
            values: Sequence[object] = self.dialogues.texts[name] if kind == "text" else self.dialogues.numbers[name]
            made[name] = pd.Series(values, dtype=_DTYPES[kind])
        return pd.DataFrame(made)


_DTYPES = {"int": "int64", "bool": "bool", "number": "float64", "text": "str"}


def _dirty_share(one: BenchmarkLeakage) -> float:
    return one.dirty / one.n if one.n else 0.0


def _share(one: CategoryShare) -> float:
    return one.share
