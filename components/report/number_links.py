"""Every number of a table leads to its rows, and says in its title how to have it computed again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from components.contracts.verdict import Verdict
from components.report.numbers import Number, numbers
from components.report.page_inputs import CostLine, RowSource
from components.report.row_sources import sources_of
from components.report.sheets import Cell, Sheet
from components.report.table_addresses import cell_addresses


class Links:
    """Where the numbers of one page lead."""

    def __init__(
        self, verdict: Verdict, sources: Sequence[RowSource], command: str, costs: Sequence[CostLine] = ()
    ) -> None:
        """Links of a verdict.

        Args:
            verdict: The page's.
            sources: Rows that are at hand.
            command: What to type to have the verdict computed again; empty = that cannot be done from here.
            costs: What the work took.
        """
        self._verdict, self._sources, self._command = verdict, sources, command
        self._known = numbers(verdict, costs)
        self._by_name = {source.name: source for source in sources}

    def sheet(self, sheet: Sheet) -> Sheet:
        """The table with every number linked."""
        addresses = cell_addresses(self._verdict, sheet)
        rows = [tuple(self._cells(sheet, cells, found)) for cells, found in zip(sheet.rows, addresses, strict=True)]
        return replace(sheet, rows=tuple(rows))

    def _cells(self, sheet: Sheet, cells: Sequence[Cell], addresses: Sequence[str]) -> Iterator[Cell]:
        for cell, address, column in zip(cells, addresses, sheet.columns, strict=True):
            href, title = self.to(address) if address else ("", "")
            if not href and column.numeric and not column.cited and any(map(str.isdigit, cell.text)):
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
