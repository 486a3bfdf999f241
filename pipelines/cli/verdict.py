"""`touchstone verdict`: recompute an audit's verdict from its saved rows."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json instead of the table.")
@click.option("--policy", help="Decide by another policy: a file, or the name of a preset.")
@click.pass_context
def verdict(ctx: click.Context, folder: Path, as_json: bool, policy: str | None) -> None:
    """Recompute the verdict of the audit in FOLDER from FOLDER/rows alone; nothing is written.

    Exit codes: 0 ok, 1 rows missing or changed, 2 usage, 3 the verdict is not among those the policy requires.
    """
    from pipelines.audit.decide import recompute
    from pipelines.cli.audit import leave_by_gate, show

    found = recompute(folder, policy=policy)
    show(found, as_json=as_json)
    leave_by_gate(ctx, found)
