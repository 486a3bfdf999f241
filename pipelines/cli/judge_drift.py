"""`touchstone judge drift`: a frozen set before its judge again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from pipelines.cli.judge_options import PLACE, as_plain, judge_from, judge_options, told, warn


@click.command()
@click.argument("frozen", type=PLACE)
@judge_options
@click.option("--limit", type=click.IntRange(1), help="At most so many prompts of the frozen set, drawn by hash.")
@click.option(
    "--max-changed", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Share of pairs that may change."
)
@click.option("--out", required=True, type=PLACE, help="A new folder for this round; the same command continues there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def drift(frozen: Path, out: Path, limit: int | None, max_changed: float, as_json: bool, **options: Any) -> None:
    """Judge the pairs of FROZEN again and compare: the mean preference, the outcomes, the unreadable replies.

    FROZEN is what `touchstone judge answers` wrote. Judge and template are taken from it unless named anew. A change
    beyond its interval is a warning on stderr.
    """
    from pipelines.judging.frozen import judge_again

    found = judge_again(frozen, out, asked=judge_from(options), limit=limit, max_changed=max_changed)
    warn(found.judging)
    for check in found.checks:
        if check.warns:
            click.echo(f"warning: {check.sentence}", err=True)
    if as_json:
        plain = {**as_plain(found.judging), "was": found.was}
        click.echo(json.dumps({**plain, "drift": [check.model_dump() for check in found.checks]}, indent=1))
        return
    click.echo(f"frozen judgments by {found.was}")
    click.echo("\n".join([told(found.judging), *(check.sentence for check in found.checks)]))
