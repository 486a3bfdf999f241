"""Every number of a table leads to its rows, and says in its title how to have it computed again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from components.contracts.verdict import Verdict
from components.report.numbers import Number, numbers
from components.report.page_inputs import RowSource
from components.report.row_sources import sources_of
from components.report.sheets import Cell, Sheet

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "scores-table": ("", "n", "unscored", "base", "imitator", "target", "delta", "gap", "gap_closed"),
    "tests-table": ("", "p", "p_gain_holm", "p_regression_holm", "p_mcnemar", "num_clusters", "mde", "n_needed"),
    "pooled-table": ("", "", "gap_closed"),
    "style-table": ("", "base", "imitator", "ceiling", "closeness"),
    "preference-table": (
        *("", "n", "unscored", "wins", "ties", "losses"),
        *("at_least_target", "adjusted", "style_share", "order_flips"),
    ),
    "attribution-table": (
        *("", "imitator.share", "base.share", "target.share", "target_second.share"),
        "base_or_target.accuracy",
    ),
    "apart-table": ("", "imitator_or_target.accuracy"),
    "format-table": ("", "n", "strict", "knowledge", "form"),
    "readings-table": ("", "", "", "n", "base", "imitator", "delta"),
    "support-table": ("", "n", "", "", "slope", "p"),
    "confident-table": ("", "", "n", "unscored", "wrong", "sure", "sure_and_wrong", "wrong_given_sure"),
}
"""Table -> last part of the address of each column's numbers; empty = none of its own."""


def addresses(verdict: Verdict, key: str) -> tuple[str, ...]:
    """First part of the addresses of each row of a table."""
    names = tuple(b.name for b in verdict.benchmarks)
    found: Mapping[str, tuple[str, ...]] = {
        "scores-table": names,
        "tests-table": names,
        "pooled-table": ("pooled.unsupported", "pooled.supported", "pooled.all"),
        "style-table": (*(f"style.{name}" for name in verdict.style.metrics), "style"),
        "preference-table": _numbered("preference", verdict.preference),
        "attribution-table": _classifiers(verdict),
        "apart-table": _classifiers(verdict, apart=True),
        "format-table": tuple(f"form.{loss.benchmark}" for loss in verdict.format_loss),
        "readings-table": _numbered("readings", verdict.readings),
        "support-table": tuple(f"support.{s.benchmark}" for s in verdict.support_map.benchmarks)
        if verdict.support_map
        else (),
        "confident-table": _numbered("sure", verdict.confidently_wrong),
    }
    return found.get(key, ())


def _numbered(start: str, parts: Sequence[object]) -> tuple[str, ...]:
    return tuple(f"{start}.{place}" for place in range(1, len(parts) + 1))


def _classifiers(verdict: Verdict, *, apart: bool = False) -> tuple[str, ...]:
    asked = verdict.attribution.classifiers if verdict.attribution else ()
    return tuple(f"attribution.{by.classifier}" for by in asked if by.imitator_or_target or not apart)


class Links:
    """Where the numbers of one page lead."""

    def __init__(self, verdict: Verdict, sources: Sequence[RowSource], command: str) -> None:
        """Links of a verdict.

        Args:
            verdict: The page's.
            sources: Rows that are at hand.
            command: What to type to have the verdict computed again; empty = that cannot be done from here.
        """
        self._verdict, self._sources, self._command = verdict, sources, command
        self._known = numbers(verdict)
        self._by_name = {source.name: source for source in sources}

    def sheet(self, sheet: Sheet) -> Sheet:
        """The table with every number linked."""
        starts, columns = addresses(self._verdict, sheet.key), COLUMNS.get(sheet.key, ())
        rows = []
        for place, cells in enumerate(sheet.rows):
            start = starts[place] if place < len(starts) else ""
            ends = (*columns, *[""] * (len(cells) - len(columns)))
            rows.append(tuple(self._cells(sheet, start, cells, ends)))
        return replace(sheet, rows=tuple(rows))

    def _cells(self, sheet: Sheet, start: str, cells: Sequence[Cell], ends: Sequence[str]) -> Iterator[Cell]:
        for cell, end, column in zip(cells, ends, sheet.columns, strict=True):
            href, title = self.to(f"{start}.{end}") if start and end else ("", "")
            if not href and column.numeric and any(map(str.isdigit, cell.text)):
                href, title = self._table(sheet.key)
            yield replace(cell, href=href, title=title) if href and not cell.href else cell

    def to(self, address: str) -> tuple[str, str]:
        """Address on the page or beside it, and title; both empty where there is no such number, or no rows."""
        number = self._known.get(address)
        if number is None or number.value is None:
            return "", ""
        at_hand = [(self._by_name[port], chosen) for port, chosen in number.rows if port in self._by_name]
        if not at_hand:
            return "", ""
        source, chosen = at_hand[0]
        return _href(source, chosen), self._title(number)

    def _title(self, number: Number) -> str:
        if not self._command:
            return f"{number.address}: {number.measure.what}"
        return f"{self._command} --show {shlex.quote(number.address)}"

    def _table(self, key: str) -> tuple[str, str]:
        found = sources_of(key, self._sources)
        return (_href(found[0], ()), f"from {found[0].name.replace('_', ' ')}") if found else ("", "")


def _href(source: RowSource, chosen: Sequence[tuple[str, str]]) -> str:
    """The file of the rows with which of them in the fragment, or, where it does not lie beside the page, its entry."""
    if not source.href:
        return f"#rows-{source.name}"
    return source.href + (f"#{urlencode(chosen)}" if chosen else "")
