"""`touchstone judge placebos`: answers that must not win, made of a base's and a target's."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.contracts.errors import UsageError

if TYPE_CHECKING:
    from pipelines.placebos.making import Made

PLACE = click.Path(path_type=Path)


@click.command()
@click.option("--base", required=True, metavar="ANSWERS", help="The base's answers.")
@click.option("--target", required=True, metavar="ANSWERS", help="The target's answers to the same prompts.")
@click.option("--prompts", type=PLACE, help="Ids and texts of the prompts, where answers do not hold both.")
@click.option("--stylistic", default="", metavar="ANSWERS", help="The base's answers to OUT/requests.")
@click.option(
    "--examples",
    type=click.Choice(["shipped", "target"]),
    default="shipped",
    show_default=True,
    help="What OUT/requests show the base: household matters, or answers of the target, whose prompts it is not asked.",
)
@click.option("--num-examples", type=click.IntRange(1, 6), default=3, show_default=True, help="Before each prompt.")
@click.option(
    "--max-tokens", type=click.IntRange(1), default=1024, show_default=True, help="Longest answer to OUT/requests."
)
@click.option(
    "--dress",
    type=click.Choice(["target", "full"]),
    default="target",
    show_default=True,
    help="What the restyled base wears: what the target wears on the same prompt, or everything.",
)
@click.option(
    "--constant",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A text file: the answer to everything.  [default: the one that ships]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which changes are made.")
@click.option("--show", type=click.IntRange(min=0), default=0, help="Print so many corrupted answers, changes marked.")
@click.option("--out", required=True, type=PLACE, help="Where they go: a folder an arm, and the log of all changes.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def placebos(
    base: str,
    target: str,
    prompts: Path | None,
    stylistic: str,
    examples: str,
    num_examples: int,
    max_tokens: int,
    dress: str,
    constant: Path | None,
    seed: int,
    show: int,
    out: Path,
    as_json: bool,
) -> None:
    """Make placebos of the ANSWERS of a base and a target: what a judge must see through before it may gate.

    OUT is given to `touchstone judge answers` among the candidates. OUT/alterations says what was changed, character by
    character. OUT/requests asks the base for answers in an assistant's style; have them answered by
    `touchstone step generate` and give them back with --stylistic. Examples and answer must fit the base's context.
    """
    from pipelines.placebos.making import Request, changed_answers, make

    params = {"dress": dress, "seed": seed, "constant": _text_of(constant) if constant else ""}
    asking = {"num_examples": num_examples, "max_tokens": max_tokens, "seed": seed}
    request = Request(base, target, out, prompts, stylistic, params, asking, examples_of_target=examples == "target")
    made = make(request)
    click.echo(json.dumps({**asdict(made), "folder": str(made.folder)}, indent=1) if as_json else _as_text(made))
    for text in changed_answers(out, show):
        click.echo(f"\n{'-' * 72}\n{text}")


def _text_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error}", expected="a text file") from error
    if not text:
        raise UsageError(f"{path} is empty", expected="the answer to everything", remedy="leave out --constant")
    return text


def _as_text(made: Made) -> str:
    lines = []
    for arm, count in made.answers.items():
        reasons = "; ".join(f"{number} left out: {reason}" for reason, number in made.left_out[arm].items())
        if not count and not reasons:
            reasons = f"not made: answer {made.folder / 'requests'} with the base and give --stylistic"
        lines.append(f"{arm:<17} {count:>6,} answers" + (f"; {reasons}" if reasons else ""))
    return "\n".join([*lines, f"{made.alterations:,} changes: {made.folder / 'alterations'}"])
