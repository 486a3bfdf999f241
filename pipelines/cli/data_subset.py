"""`touchstone data subset`: nested subsets of dialogues by imitation tokens."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("dialogues")
@click.option("--tokens", "sizes", multiple=True, required=True, help="A size: 300k, 1.5M, 150M; give it many times.")
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The base: a folder with tokenizer.json. Without it words are counted.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which subsets.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the subsets.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a subset.")
def subset(dialogues: str, sizes: tuple[str, ...], tokenizer: Path | None, seed: int, out: Path, as_json: bool) -> None:
    """Cut DIALOGUES, a folder of ours or an address, to sizes of which each contains the smaller ones.

    Tokens are those of the assistant turns, which is what an imitator learns from. A size is never passed.
    """
    from pipelines.data.subsets import write_subsets

    for made in write_subsets(dialogues, sizes, tokenizer, seed, out):
        if as_json:
            click.echo(json.dumps({**made._asdict(), "folder": str(made.folder)}))
        else:
            click.echo(f"{made.folder}  {made.tokens:,} {made.unit}  {made.dialogues:,} dialogues")
