"""`touchstone verdict`: recompute an audit's verdict from its saved rows."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json instead of the table.")
@click.option("--policy", help="Decide by another policy, a file or a preset, and say what that changes.")
@click.option(
    "--earlier",
    multiple=True,
    type=FOLDER,
    help="An audit of the same run at an earlier look, when it had fewer items; in order.  [repeat]",
)
@click.option(
    "--planned-items",
    type=click.IntRange(min=1),
    help="Items the run was planned to have: alpha is spent over the looks instead of used up by each.",
)
@click.pass_context
def verdict(
    ctx: click.Context,
    folder: Path,
    as_json: bool,
    policy: str | None,
    earlier: tuple[Path, ...],
    planned_items: int | None,
) -> None:
    """Recompute the verdict of the audit in FOLDER from FOLDER/rows alone; nothing is written.

    Exit codes: 0 ok, 1 rows missing or changed, 2 usage, 3 the verdict is not among those the policy requires.
    """
    from pipelines.cli.audit import leave_by_gate, show
    from pipelines.recheck.recheck import recheck

    found = recheck(folder, policy=policy, earlier=earlier, planned=planned_items)
    for line in found.notes:
        click.echo(line, err=as_json)
    if found.notes and not as_json:
        click.echo()
    show(found.verdict, as_json=as_json)
    leave_by_gate(ctx, found.verdict)
