"""`touchstone judge stored`: judgments of other tools, analysed again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pipelines.cli.judge_options import PLACE


@click.command()
@click.argument("files", nargs=-1, required=True, type=PLACE)
@click.option(
    "--answers", multiple=True, type=PLACE, help="FastChat answers: reviews name models by their ids.  [repeat]"
)
@click.option("--prompts", type=PLACE, help="Ids and texts of prompts.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def stored(files: tuple[Path, ...], answers: tuple[Path, ...], prompts: Path | None, as_json: bool) -> None:
    """Say who is preferred in FILES, with intervals, and how far voices and judges agree.

    AlpacaEval annotations and its CSV, FastChat reviews, votes of MT-bench and PandaLM, and folders that `touchstone
    judge answers` wrote. A judge asked in both orders is reduced as everywhere: disagreement is a tie.
    """
    from pipelines.judging.stored import analyse, as_text

    found = analyse(files, answers=answers, prompts=prompts)
    if not as_json:
        click.echo(as_text(found))
        return
    among = {source: value.model_dump() for source, value in found.among.items()}
    between = [{"sources": list(pair), **value.model_dump()} for pair, value in found.between.items()]
    results = [line._asdict() for line in found.lines]
    click.echo(json.dumps({"results": results, "among": among, "between": between}, indent=1))
