"""`touchstone crowd create`, `invite`, `status`, `close`, `open`, `export`, `forget`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from pipelines.crowd.desk import State

STUDY = click.argument("study", required=False)


@click.command()
@click.argument("pairs", type=click.Path(path_type=Path, exists=True))
@click.option("--name", help="The study's name, and the source of its judgments; default: the file's.")
@click.option(
    "--design",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML with raters_per_pair, items_per_rater, instruction, rules, ...",
)
@click.option("--days", type=click.FloatRange(min=0.001), help="Deadline: no vote is taken after so many days.")
def create(pairs: Path, name: str | None, design: Path | None, days: float | None) -> None:
    """Make a study of PAIRS: an artifact of StudyPair, or a file of them with one JSON object a line.

    Pairs, quotas and exclusion rules are fixed with it. The same command again changes nothing.
    """
    from pipelines.crowd.desk import deadline, open_desk

    desk = open_desk()
    made = desk.create(pairs, name or pairs.stem, design, deadline(days))
    for rule in desk.silent_rules(pairs, name or pairs.stem, design):
        click.echo(f"warning: {rule}", err=True)
    _print(desk.states(made)[0])


@click.command("invite")
@STUDY
@click.option("--identity", "identities", multiple=True, help="Whom the link is for; hashed, and kept nowhere.")
@click.option(
    "--identities",
    "file",
    type=click.File(encoding="utf-8-sig"),
    help="A file of them, one a line; - for standard input.",
)
@click.option("--days", type=click.FloatRange(min=0.001), default=14.0, show_default=True, help="How long links live.")
@click.option("--expert", is_flag=True, help="For the expert lane: only pairs on which the crowd is divided.")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Where raters reach the service.")
def invite_people(
    study: str | None,
    identities: tuple[str, ...],
    file: TextIO | None,
    days: float,
    expert: bool,
    url: str,
) -> None:
    """Print a link for each person. Invited again, a person goes on with the same work."""
    from components.contracts.errors import UsageError
    from pipelines.crowd.desk import open_desk

    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise UsageError(f"--url {url}", expected="where raters reach the service, such as https://ratings.example.org")
    try:
        people = [*identities, *(line.strip() for line in (file or ()) if line.strip())]
    except UnicodeDecodeError as error:
        raise UsageError("the file of identities is no UTF-8 text", expected="one address or name a line") from error
    if not people:
        raise UsageError("nobody to invite", expected="--identity NAME, or --identities FILE")
    for who, token in zip(
        people, open_desk().invite(study, people, days, "expert" if expert else "crowd"), strict=True
    ):
        click.echo(f"{who}\t{url.rstrip('/')}/r/{token}")


@click.command()
@STUDY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a study.")
def status(study: str | None, as_json: bool) -> None:
    """How far STUDY is, or every study, and how its raters work."""
    from pipelines.crowd.desk import open_desk

    for state in open_desk().states(study):
        if as_json:
            click.echo(json.dumps(_plain(state)))
        else:
            _print(state)


@click.command()
@STUDY
def close(study: str | None) -> None:
    """Take no more votes. Every rater is held against the exclusion rules once more."""
    from pipelines.crowd.desk import open_desk

    desk = open_desk()
    _print(desk.states(desk.set_closed(study, True))[0])


@click.command("open")
@STUDY
def open_again(study: str | None) -> None:
    """Take votes again. A deadline that has passed stays passed."""
    from pipelines.crowd.desk import open_desk

    desk = open_desk()
    _print(desk.states(desk.set_closed(study, False))[0])


@click.command()
@STUDY
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the judgments."
)
@click.option("--checks", is_flag=True, help="Gold items and repeats too, which are no part of the result.")
def export(study: str | None, out: Path, checks: bool) -> None:
    """Write every vote as a Judgment; what does not count is unscored, with the reason."""
    from components.contracts.evidence_rows import Judgment
    from components.contracts.ports import Output
    from pipelines.crowd.desk import open_desk

    kinds = ("headline", "placebo", *(("gold", "repeat") if checks else ()))
    state, rows = open_desk().judgments(study, kinds)
    notes = {"study": state.name, "open": state.open, "design": state.design_digest, "rules": state.rules_digest}
    Output(out, Judgment).write(rows, notes=notes)
    unscored = sum(row.unscored is not None for row in rows)
    click.echo(f"{out}  {len(rows):,} judgments, {unscored:,} of them unscored")
    for line in state.progress:
        if line.kind in {"headline", "placebo"} and line.complete < line.pairs:
            click.echo(f"{line.pairs - line.complete:,} of {line.pairs:,} {line.kind} pairs lack votes", err=True)


@click.command("forget")
@click.argument("rater")
@click.option("--study", help="Which study; needed where there are several.")
@click.confirmation_option(prompt="Every vote of this rater is deleted for good. Go on?")
def forget_rater(rater: str, study: str | None) -> None:
    """Delete RATER: a pseudonym, the identity an invitation was for, or a Mechanical Turk worker's id."""
    from pipelines.crowd.desk import open_desk

    click.echo(f"forgotten, with {open_desk().forget(study, rater)} votes")


def _print(state: State) -> None:
    ends = f", closes {state.closes}" if state.closes else ""
    click.echo(f"{state.name}  {'open' if state.open else 'closed'}{ends}  rules {state.rules_digest[:12]}")
    for line in state.progress:
        complete = (
            f"{line.complete:,} of {line.pairs:,} complete"
            if line.kind in {"headline", "placebo"}
            else f"{line.pairs:,}"
        )
        lost = f", {line.uncounted:,} that do not count" if line.uncounted else ""
        click.echo(f"  {line.kind:9} {complete}, {line.counted:,} votes{lost}")
    click.echo(f"  {state.divided:,} complete headline pairs without a majority")
    for rater in state.raters:
        seen = rater.quality
        words = [f"{seen.votes} answers"]
        words += [f"gold {seen.gold_right}/{seen.gold}"] if seen.gold else []
        words += [f"repeats {seen.repeats_same}/{seen.repeats}"] if seen.repeats else []
        words += [f"{seen.left}/{seen.equal}/{seen.right} left/equal/right"] if seen.votes else []
        words += [f"{seen.median_seconds:.0f} s"] if seen.median_seconds is not None else []
        words += [f"excluded: {rater.excluded}"] if rater.excluded else []
        click.echo(f"  {rater.key} {rater.lane:6} {', '.join(words)}")


def _plain(state: State) -> dict[str, object]:
    return {
        **state._asdict(),
        "progress": [line._asdict() for line in state.progress],
        "raters": [{**line._asdict(), "quality": line.quality._asdict()} for line in state.raters],
    }
