"""A finished sweep, for the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.contracts.sweep_results import SweepStudy
from components.report.sweeping.diverged import read_diverged
from components.report.sweeping.sweep_page import PAGE, RECORD
from components.report.table import verdict_text
from components.report.wording import points, ratio


class SweepResult:
    """What a run of a sweep leaves."""

    def __init__(self, folder: Path) -> None:
        """Of the folder with sweep.json."""
        self.folder = folder

    @property
    def study(self) -> SweepStudy:
        """sweep.json."""
        return SweepStudy.model_validate_json((self.folder / RECORD).read_text(encoding="utf-8"))

    def print_to_terminal(self) -> None:
        """The cells, what came out, and where the page is."""
        console = Console(soft_wrap=False)
        study = self.study
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("cell", "verdict"):
            table.add_column(heading)
        for heading in ("capability", "gap closed", "style"):
            table.add_column(heading, justify="right")
        for cell in study.cells:
            numbers = (points(cell.change), ratio(cell.gap_closed), ratio(cell.closeness))
            table.add_row(Text(cell.cell.name), verdict_text(cell.verdict), *numbers)
        for lost in read_diverged(self.folder):
            table.add_row(Text(lost.cell.name), Text("diverged", "dim"), "", "", "")
        console.print(table)
        for finding in study.findings:
            console.print(finding, highlight=False, markup=False)
        console.print(f"report: {self.folder / PAGE}", highlight=False, markup=False, soft_wrap=True)
