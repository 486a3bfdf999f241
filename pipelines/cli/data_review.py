"""`touchstone data review`: Table 5's category review, by a person on a random sample of the queries."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def review() -> None:
    """Draw a sheet of queries, have a person put them into categories, join it back.

    `touchstone data validate --review DIR` then corrects the classifier's shares by it.
    """


@review.command()
@click.argument("dialogues", type=click.Path(path_type=Path))
@click.option("--n", type=int, default=50, show_default=True, help="Queries to draw; the study read 50.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The sheet, a CSV file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was drawn as JSON.")
def sample(dialogues: Path, n: int, seed: int, out: Path, as_json: bool) -> None:
    """Draw N queries at random from the artifact DIALOGUES into a sheet that a spreadsheet opens."""
    from components.contracts.dialogue_rows import Dialogue
    from components.contracts.ports import Input
    from pipelines.data.artifacts import folder_of
    from pipelines.data.review import MEANINGS, sample_sheet

    drawn = sample_sheet(Input(folder_of(dialogues, Dialogue), Dialogue), out, n=n, seed=seed)
    if as_json:
        click.echo(json.dumps({"sheet": str(out), **drawn._asdict()}))
        return
    click.echo(f"{out}: {drawn.rows} of {drawn.dialogues} queries. Write one of these into the column category:")
    for category, meaning in MEANINGS.items():
        click.echo(f"  {category:<14} {meaning}")
    click.echo(f"then: touchstone data review join {out} --out DIR")


@review.command()
@click.argument("sheets", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the reviewed rows go.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def join(sheets: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Read filled SHEETS (one for each person) back as rows."""
    from pipelines.data.review import join_sheets

    joined = join_sheets(sheets, out)
    if as_json:
        click.echo(json.dumps({"out": str(out), **joined._asdict()}))
        return
    click.echo(f"{out}: {joined.filled} queries reviewed, {joined.empty} rows left empty")
    if joined.gaps:
        click.echo(
            f"{joined.gaps} of the empty rows stand between filled ones: if they were skipped for being hard, the "
            "shares lean towards easy queries",
            err=True,
        )
    if joined.missing:
        click.echo(f"{joined.missing} rows of the sheet are not in it any more; they count as not reviewed", err=True)
