"""`touchstone crowd sheet` and `import`: ratings that are made in a spreadsheet, a batch or Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from components.crowd.exchange.into_study import TakenIn
    from components.crowd.exchange.ratings import Imported

PAIRS = click.argument("pairs", type=click.Path(path_type=Path))


@click.command()
@PAIRS
@click.option("--as", "form", type=click.Choice(["sheet", "mturk", "label-studio"]), default="sheet", show_default=True)
@click.option("--turned", is_flag=True, help="The other edition: all sides swapped. Give it to half of the raters.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def sheet(pairs: Path, form: Any, turned: bool, out: Path) -> None:
    """Write the study PAIRS for people who rate elsewhere.

    The file names no model and no kind of pair; tickets bring the answers back to their pairs.
    """
    from pipelines.crowd_rating.files import hand_out

    written = hand_out(pairs, out, form, turned=turned)
    click.echo(f"{out}: {written.num_pairs:,} pairs")
    click.echo(f"then {written.then}; touchstone crowd import {pairs} FILLED --source NAME --out DIR", err=True)


@click.command("import")
@PAIRS
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--source", help="Name of these raters, as the report will call them.")
@click.option("--rater", default="", help="Who filled the files, where no column says so.")
@click.option(
    "--design", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="YAML of the study; its rules apply."
)
@click.option("--keep-all", is_flag=True, help="Exclude nobody.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for judgments.")
@click.option(
    "--into",
    metavar="DATABASE",
    help="Votes of the service's study instead: address, SQLite file, or the word DATABASE_URL.",
)
@click.option("--study", help="Its name there.  [default: the only one]")
def import_ratings(
    pairs: Path,
    files: tuple[Path, ...],
    source: str | None,
    rater: str,
    design: Path | None,
    keep_all: bool,
    out: Path | None,
    into: str | None,
    study: str | None,
) -> None:
    """Read filled FILES of the study PAIRS back: as judgments in a folder, or as votes of the rating service.

    Sheets, results of a Mechanical Turk batch, and Label Studio's JSON exports, told apart by their content.

    As judgments (--source, --out), ratings of another study are refused; raters who break the design's rules are
    excluded, and the judgments say so. As votes (--into), a row passes the checks of a vote on the page: one for each
    rater and pair, the first stands, rules and places are the study's own. Rows that cannot are listed; the others are
    stored, and the same command again stores nothing twice.
    """
    from components.contracts.errors import UsageError
    from pipelines.crowd.desk import read_design
    from pipelines.crowd_rating.files import take_in, take_into

    if into is not None:
        if source or design or keep_all or out:
            raise UsageError(
                "--into with --source, --design, --keep-all or --out",
                expected="--into alone: name and rules are the study's own, `touchstone crowd export` writes judgments",
            )
        _print_taken(take_into(pairs, files, into, study=study, rater=rater))
        return
    if source is None or out is None or study is not None:
        raise UsageError(
            "it is not said where the ratings go", expected="--source NAME --out DIR, or --into DATABASE [--study NAME]"
        )
    rules = None if keep_all else read_design(source, design).rules
    _print(take_in(pairs, files, out, source=source, rater=rater, rules=rules), out)


def _print_taken(taken: TakenIn) -> None:
    from components.contracts.errors import TouchstoneError

    click.echo(f"{taken.study}: {taken.num_stored:,} new votes, {taken.num_already:,} were there already")
    if taken.num_surplus:
        click.echo(f"{taken.num_surplus:,} of the new do not count: their pairs had all raters", err=True)
    if taken.num_beyond:
        click.echo(f"{taken.num_beyond:,} are beyond what the study gives one rater, and no votes", err=True)
    for rater, reason in taken.excluded.items():
        click.echo(f"{rater} excluded: {reason}", err=True)
    for row in taken.refused:
        click.echo(f"refused {row.where}: {row.reason}", err=True)
    if not taken.num_stored + taken.num_already:
        raise TouchstoneError("no row became a vote", expected="filled rows of this study")


def _print(found: Imported, out: Path) -> None:
    from components.contracts.crowd_rows import NOBODY

    unscored = sum(row.unscored is not None for row in found.judgments)
    raters = {row.rater for row in found.judgments} - {NOBODY}
    click.echo(f"{out}: {len(found.judgments):,} judgments of {len(raters)} raters, {unscored:,} unscored")
    if found.num_checks:
        click.echo(f"{found.num_checks:,} answers to gold pairs and repeats decided whom the rules exclude")
    if found.num_doubled:
        click.echo(f"{found.num_doubled:,} ratings stood there more than once and count once", err=True)
    for rater, reason in found.excluded.items():
        click.echo(f"{rater} excluded: {reason}", err=True)
