"""`touchstone compare`: many runs on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from components.report.runs_page import Order

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="Folder for compare.html, compare.md and compare.json.")
@click.option("--title", default="Runs", show_default=True, help="Heading of the page.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(["verdict", "gap", "style", "preferred", "name"]),
    default="verdict",
    show_default=True,
    help="By verdict and gap closed, or by one number, the largest first.",
)
def compare(folders: tuple[Path, ...], out: Path, title: str, order: Order) -> None:
    """Put the verdicts in FOLDERS, or below them, on one page: sorted, with a filter, every run linked.

    Give folders of audits or runs, or one folder that holds many. Links lead from OUT to the runs where they lie.
    """
    from rich.console import Console

    from components.report.table import render_study_table
    from pipelines.compare.run import compare as compare_runs

    entries = compare_runs(folders, out, title=title, order=order)
    Console(soft_wrap=False).print(render_study_table(entries))
    click.echo(f"written: {out / 'compare.html'}, compare.md and compare.json", err=True)
