"""`touchstone fetch-report`: the report of a run on a cluster."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("fetch-report")
@click.argument("run_id")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
def fetch(run_id: str, out: Path) -> None:
    """Fetch the verdicts and pages of RUN_ID from the object store."""
    from pipelines.cluster.results import fetch_report

    click.echo(fetch_report(run_id, out))
