"""`touchstone verdict`: recompute an audit's verdict from its saved rows."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json instead of the table.")
@click.option(
    "--show",
    "address",
    metavar="ADDRESS",
    help="Tell one number, such as nq.delta: interval, n, formula, rows. `all` lists every address.",
)
@click.option("--policy", help="Decide by another policy, a file or a preset, and say what that changes.")
@click.option(
    "--earlier",
    multiple=True,
    type=FOLDER,
    help="An audit of the same run at an earlier look, when it had fewer items; in order.  [repeat]",
)
@click.option(
    "--planned-items",
    multiple=True,
    metavar="[BENCHMARK=]ITEMS",
    help="Items a benchmark was planned to have: alpha is spent over the looks, not used up by each.  [repeat]",
)
@click.option("--redact", is_flag=True, help="Keep prompts, answers and ids out of what is printed and written.")
@click.option("--out", type=FOLDER, help="Also write verdict.json, report.html and report.md, in another folder.")
@click.pass_context
def verdict(
    ctx: click.Context,
    folder: Path,
    as_json: bool,
    address: str | None,
    policy: str | None,
    earlier: tuple[Path, ...],
    planned_items: tuple[str, ...],
    redact: bool,
    out: Path | None,
) -> None:
    """Recompute the verdict of the audit in FOLDER from FOLDER/rows alone; FOLDER stays as it is.

    Exit codes: 0 ok, 1 rows missing or changed, 2 usage, 3 what the policy requires was not shown.
    """
    from pipelines.cli.audit import leave_by_gate, show
    from pipelines.recheck.number import told
    from pipelines.recheck.pages import write_anew
    from pipelines.recheck.recheck import recheck

    found = recheck(folder, policy=policy, earlier=earlier, planned=planned_items, redact=redact)
    for line in found.notes:
        click.echo(line, err=as_json)
    if found.notes and not as_json:
        click.echo()
    if out is not None:
        write_anew(found.verdict, folder, out, command=_typed(folder, policy, earlier, planned_items), redact=redact)
        click.echo(f"written: {out / 'report.html'}, report.md and verdict.json", err=True)
    if address is not None:
        # A question about one number is answered, whatever the gate says.
        click.echo(told(found.verdict, address, folder, as_json=as_json))
        return
    show(found.verdict, as_json=as_json)
    leave_by_gate(ctx, found.verdict)


def _typed(folder: Path, policy: str | None, earlier: tuple[Path, ...], planned: tuple[str, ...]) -> str:
    """The command that gives this verdict again, without this machine's paths."""
    from pipelines.audit.page import shown

    parts = ["touchstone", "verdict", shown(folder)]
    parts += ["--policy", shown(Path(policy))] if policy else []
    parts += [part for path in earlier for part in ("--earlier", shown(path))]
    parts += [part for entry in planned for part in ("--planned-items", entry)]
    return shlex.join(parts)
