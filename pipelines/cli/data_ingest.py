"""`touchstone data ingest`: dumps -> dialogues and removals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.contracts.errors import TouchstoneError, UsageError

if TYPE_CHECKING:
    from pipelines.data.ingestion import Ingested

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="FILE|FOLDER|hub:ID...")
@click.option("--target", default="unknown", help="The model that wrote the replies, where records do not name it.")
@click.option("--target-date", default="", help="That model's date, or the replies', as 2023-03 or 2023-03-01.")
@click.option(
    "--terms",
    type=click.Choice(["unknown", "open", "restricted"]),
    default="unknown",
    show_default=True,
    help="Whether the target's terms allow training on its outputs.",
)
@click.option("--licence", default="", help="Licence of the dump, as an SPDX name.")
@click.option("--name", default="", help="What to call the source.  [default: each file's name]")
@click.option("--self-author", default="", help="Discord: whose messages are the replies.  [default: every bot's]")
@click.option("--languages", help="Which enter: en,de or all.  [default: en]")
@click.option("--near", type=click.FloatRange(0.5, 1.0), help="Similarity of near-duplicate queries.  [default: 0.9]")
@click.option("--no-near", is_flag=True, help="Remove exact duplicates only.")
@click.option("--no-redact", is_flag=True, help="Leave secrets and personal data in.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the dialogues' order.")
@click.option("--params", "params_file", type=FILE, help="YAML of all parameters of ingest_dumps.")
@click.option("--keep-going", is_flag=True, help="Exit code 0 although a file could not be read to its end.")
@click.option("--out", required=True, type=FILE, help="Folder for dump, dialogues and removed.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def ingest(
    places: tuple[str, ...], params_file: Path | None, keep_going: bool, out: Path, as_json: bool, **given: object
) -> None:
    """Turn conversations with a model into imitation data: in = kept + removed, each removal with its reason.

    Read by content, plain, gzip, zstd or zip: ShareGPT (HTML replies become Markdown), OpenAI chat, HC3, Alpaca, Dolly
    and other pairs, as JSON, JSONL, CSV, Parquet or Arrow; DiscordChatExporter JSON; our own dialogues; data sets of
    the Hub as hub:NAME[:CONFIG][@REVISION][#SPLIT].

    Exit codes: 0 ok, 1 bad input, or a file that could not be read to its end (what was whole is written), 2 usage.
    """
    from pydantic import ValidationError

    from components.ingest.reading.sources import DumpSource
    from pipelines.data.ingestion import ingest_files, merged_params

    try:
        source = DumpSource.model_validate({key: given[key] for key in DumpSource.model_fields})
    except ValidationError as error:
        problem = error.errors()[0]
        option = str(problem["loc"][0]).replace("_", "-")
        expected = "2023, 2023-03 or 2023-03-01" if option == "target-date" else problem["msg"]
        raise UsageError(f"--{option} {problem['input']}", expected=expected, remedy="see --help") from error
    result = ingest_files(places, source, merged_params(params_file, _rules(given)), out)
    click.echo(_as_json(result) if as_json else _as_text(result))
    for line in result.warnings:
        click.echo(f"warning: {line}", err=True)
    if result.num_damaged and not keep_going:
        raise TouchstoneError(
            f"{result.num_damaged} file{'s' * (result.num_damaged > 1)} could not be read to the end; what was whole is"
            f" in {out}",
            expected="whole files",
            remedy="fetch them again; or say --keep-going when what is there will do",
        )


def _rules(given: Mapping[str, object]) -> dict[str, object]:
    """Parameters of the step that were given on the command line."""
    rules = {"seed": given["seed"], "near_duplicate_jaccard": given["near"]}
    rules = {key: value for key, value in rules.items() if value is not None}
    if isinstance(languages := given["languages"], str):
        rules["languages"] = [] if languages == "all" else [code.strip() for code in languages.split(",")]
    if given["no_redact"]:
        rules["redact"] = False
    if given["no_near"]:
        rules["near_duplicate_jaccard"] = None
    return rules


def _as_json(result: Ingested) -> str:
    counts = {"in": result.num_in, "kept": result.num_kept, "removed": dict(result.removed)}
    return json.dumps({**counts, **result.notes, "folder": str(result.folder)}, indent=1, ensure_ascii=False)


def _as_text(result: Ingested) -> str:
    num_removed = sum(result.removed.values())
    lines = [f"{result.num_in:,} conversations = {result.num_kept:,} kept + {num_removed:,} removed"]
    tables = {"removed": result.removed} | {key: result.notes.get(key) for key in ("sources", "languages", "redacted")}
    for label, counts in tables.items():
        if counts:
            listed = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
            lines.append(f"{label:<10}" + ", ".join(f"{name} {count:,}" for name, count in listed))
    return "\n".join([*lines, f"written:  {result.folder / 'dialogues'} and removed"])
