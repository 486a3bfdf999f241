"""`touchstone data overlap`: how near imitation data come to what is asked later, and to each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.data.overlap import Measured

PLACE = click.Path(path_type=Path)


@click.command()
@click.option("--train", required=True, multiple=True, type=PLACE, help="Dialogues, or a dump. May be repeated.")
@click.option("--items", multiple=True, metavar="[NAME=]PATH", help="A benchmark's file, or a folder of its items.")
@click.option("--heldout", multiple=True, type=PLACE, help="A file of prompts, or a folder of them.")
@click.option("--previous", type=PLACE, help="Go on from what this command wrote: its data and --train together.")
@click.option("--policy", default="study", show_default=True, help="A policy file or preset; its part `data` is used.")
@click.option("--name", default="", help="What the data are called.")
@click.option("--all-queries", is_flag=True, help="Every user turn is a query, not only a dialogue's first.")
@click.option("--no-diversity", is_flag=True, help="Do not search each query's most similar other query.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="0 = one for each processor.", show_default=True)
@click.option("--out", required=True, type=PLACE, help="Where overlap, neighbours, clean_heldout and leaked go.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def overlap(
    train: tuple[Path, ...],
    items: tuple[str, ...],
    heldout: tuple[Path, ...],
    previous: Path | None,
    policy: str,
    name: str,
    all_queries: bool,
    no_diversity: bool,
    threads: int,
    out: Path,
    as_json: bool,
) -> None:
    """Find the training text nearest to every test question and held-out prompt: exact, over all turns.

    Benchmarks are read as they are: MMLU (JSONL or the original CSV), NQ-open, HumanEval, or JSONL and CSV with a
    question column. Prompts: Koala, FastChat and AlpacaEval files, or any JSONL with prompt, text or instruction.
    """
    from pipelines.data.overlap import Request, measure

    params: dict[str, object] = {
        "name": name,
        "queries": "all" if all_queries else "first",
        "diversity": not no_diversity,
        "threads": threads,
    }
    found = measure(Request(train, out, items, heldout, previous, policy, params))
    click.echo(_as_json(found) if as_json else _as_text(found))


def _as_json(found: Measured) -> str:
    leakage = [row.model_dump(mode="json") for row in found.benchmarks]
    diversity = {"bleu": found.diversity_bleu, "queries": found.diversity_queries}
    counts = {"training_texts": found.training_texts, "leakage": leakage, "diversity": diversity}
    return json.dumps({**counts, "out": str(found.out)}, indent=1)


def _as_text(found: Measured) -> str:
    titles = ("", "n", "dirty", "mean BLEU", "BLEU > 20", "8-grams", "13-grams")
    table = [titles] + [
        (
            row.benchmark or "held-out prompts",
            f"{row.n:,}",
            f"{row.dirty:,}",
            f"{row.bleu_mean:.1f}",
            f"{row.bleu_above_20:,}",
            f"{row.ngram8_found:,}",
            f"{row.ngram13_found:,}",
        )
        for row in found.benchmarks
    ]
    widths = [max(len(cells[k]) for cells in table) for k in range(len(titles))]
    lines = [
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    lines.append(f"against {found.training_texts:,} training texts")
    if found.diversity_bleu is not None:
        lines.append(
            f"diversity: {found.diversity_bleu:.1f}, the mean BLEU of {found.diversity_queries:,} queries to their most"
            " similar other query (100 = all asked twice)"
        )
    return "\n".join([*lines, f"written to {found.out}"])
