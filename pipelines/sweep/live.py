"""A sweep's cells while they are made: what each is at, and its verdict as soon as there is one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from components.contracts.sweep_rows import Cell
from components.contracts.verdict import Verdict
from components.report.sweeping.sweep_cells import VERDICT_FILE
from components.report.table import verdict_text
from components.report.wording import ratio
from pipelines.local.progress import Estimator, Watcher, new_bar
from pipelines.local.runner import Event

STAGES = {
    "train": "training",
    "pick_checkpoint": "taken from its series",
    "interpolate": "mixing weights",
    "generate": "answering",
    "score": "scoring",
    "style": "comparing style",
    "prepare_judging": "judging",
    "judge_likelihood": "judging",
    "report": "deciding",
}
JUDGED = "judge of "


class CellsTable:
    """What is known of every cell, from the runner's events and the reports that it leaves."""

    def __init__(self, cells: Sequence[Cell], store: Path) -> None:
        """Begin with every cell waiting.

        Args:
            cells: In the order in which they are shown.
            store: Where finished steps lie.
        """
        self._store = store
        self._stages = {cell.name: "waiting" for cell in cells}
        self._verdicts: dict[str, Verdict] = {}
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}

    def take(self, event: Event) -> str | None:
        """Take note of an event; gives the name of the cell that it finished, if it did."""
        step, _, name = event.label.partition(" ")
        name = name.removeprefix(JUDGED)
        if name not in self._stages or step not in STAGES:
            return None
        self._began.setdefault(name, time.monotonic())
        if step != "report" or event.kind == "started":
            self._stages[name] = STAGES[step]
            return None
        self._took[name] = time.monotonic() - self._began[name]
        found = sorted(
            self._store.glob(f"report-report-{name}-*/result/{VERDICT_FILE}"), key=lambda p: p.stat().st_mtime
        )
        if found:
            self._verdicts[name] = Verdict.model_validate_json(found[-1].read_text(encoding="utf-8"))
        return name

    def line(self, name: str) -> str:
        """A finished cell in words."""
        verdict = self._verdicts.get(name)
        if verdict is None:
            return name
        return f"{name}: {verdict.verdict}, style {ratio(verdict.style.closeness)}, gap closed {_gap(verdict)}"

    def __rich__(self) -> Table:
        """The table as it stands."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading, justify in (
            ("cell", "left"),
            ("", "left"),
            ("style", "right"),
            ("gap closed", "right"),
            ("s", "right"),
        ):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for name, stage in self._stages.items():
            verdict = self._verdicts.get(name)
            took = f"{self._took[name]:.0f}" if name in self._took else ""
            if verdict is None:
                table.add_row(Text(name), Text(stage, "dim"), "", "", took)
            else:
                table.add_row(
                    Text(name), verdict_text(verdict.verdict), ratio(verdict.style.closeness), _gap(verdict), took
                )
        return table


def _gap(verdict: Verdict) -> str:
    return ratio(verdict.pooled.all.gap_closed)


class SweepWatcher:
    """Events into the table and the bar; where nobody watches, a line for every finished cell."""

    def __init__(self, table: CellsTable, bar: Watcher, console: Console) -> None:
        """Tell both."""
        self._table, self._bar, self._console = table, bar, console

    def __call__(self, event: Event) -> None:
        """Take note of one event."""
        self._bar(event)
        done = self._table.take(event)
        if done is not None and not self._console.is_terminal:
            self._console.print(self._table.line(done), highlight=False, markup=False)


@contextmanager
def sweep_progress(estimator: Estimator, cells: Sequence[Cell], store: Path) -> Iterator[SweepWatcher]:
    """Show the cells and a bar while the block runs; the watcher given takes the runner's events."""
    console = Console(stderr=True)
    table, bar = CellsTable(cells, store), new_bar(console)
    watcher = SweepWatcher(table, Watcher(bar, estimator), console)
    if not console.is_terminal:
        yield watcher
        return
    with Live(Group(table, bar), console=console, refresh_per_second=4):
        yield watcher
