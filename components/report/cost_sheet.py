"""The page's table of what the work took: texts, tokens, and money where a ledger says so."""

from __future__ import annotations

from collections.abc import Sequence

from components.report.page_inputs import CostLine
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import count


def cost_sheet(costs: Sequence[CostLine]) -> Sheet:
    """One row a part of the work."""
    notes = Notes()
    columns = (
        Column("Who wrote", numeric=False),
        Column("Texts", "generated"),
        Column("Tokens", "generated"),
        Column("USD", "billed, by the ledger of requests"),
    )
    rows = tuple(
        (
            Cell(line.what),
            Cell(count(line.replies)),
            notes.whole(line.tokens, "not counted where the texts come from"),
            notes.cell(line.usd, dollars, "no price was known"),
        )
        for line in costs
    )
    return Sheet("cost-table", "Texts, tokens and money", columns, rows, tuple(notes.reasons))


def dollars(value: float | None) -> str:
    """An amount of money: cents, or four digits where it is less than one."""
    if value is None:
        return ""
    return f"{value:,.2f}" if value >= 0.01 or not value else f"{value:.4f}"
