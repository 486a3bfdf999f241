"""`touchstone plan`: memory, time and cost of a sweep of trainings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from components.contracts.errors import UsageError

PLACE = click.Path(path_type=Path)
WIDTH = 100


@click.command()
@click.argument("bases", nargs=-1, required=True, type=PLACE)
@click.option("--tokens", "sizes", multiple=True, required=True, help="An amount: 300k, 1.5M, 150M; smallest first.")
@click.option("--recipe", help="YAML or JSON file as `train` takes it, or the JSON itself.")
@click.option("--device", required=True, metavar="NAME", help="What is rented, such as h100-sxm.")
@click.option("--devices", "file", type=PLACE, help="YAML of devices of your own: NAME: {memory_gib, bf16_tflops}.")
@click.option("--num", type=click.IntRange(min=1), default=1, show_default=True, help="How many devices.")
@click.option(
    "--engine",
    type=click.Choice(["single", "ddp", "fsdp", "zero1", "zero2", "zero3"]),
    help="How the training is spread.  [default: as --recipe says, or single on one device, ddp on more]",
)
@click.option("--mfu", type=click.FloatRange(0, 1, min_open=True), default=0.4, show_default=True, help="Assumed.")
@click.option("--price", type=click.FloatRange(min=0), help="Of one device for one hour; none is assumed.")
@click.option("--nested", is_flag=True, help="All amounts in one pass over the largest.")
@click.option("--dialogues", type=PLACE, help="An artifact to count; --tokens are then those of assistants.")
@click.option("--tokenizer", type=PLACE, help="Folder to count by.  [default: each base]")
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON: bytes, operations, hours.")
def plan(
    bases: tuple[Path, ...],
    sizes: tuple[str, ...],
    recipe: str | None,
    device: str,
    file: Path | None,
    num: int,
    engine: str | None,
    mfu: float,
    price: float | None,
    nested: bool,
    dialogues: Path | None,
    tokenizer: Path | None,
    as_json: bool,
) -> None:
    """Say what a sweep over BASES and amounts of tokens needs, before anything is rented.

    A base is a model's folder or its config.json: nothing else of it is read, and no weights are loaded.
    """
    from components.contracts.devices import find
    from pipelines.cli.step import read_params
    from pipelines.data.subsets import read_size
    from pipelines.plan import table
    from pipelines.plan.sweep import Request
    from pipelines.plan.sweep import plan as worked_out

    given = read_params(recipe)
    fields = given.get("recipe", given)
    if not isinstance(fields, dict):
        raise UsageError(
            "the recipe is not a mapping", expected="fields of Recipe, or {recipe: {...}} as `train` takes"
        )
    made = worked_out(
        Request.model_validate(
            {
                "bases": bases,
                "amounts": [read_size(size) for size in sizes],
                "recipe": fields,
                "engine": engine or _engine(given, num),
                "device": find(device, file),
                "devices": num,
                "mfu": mfu,
                "price": price,
                "nested": nested,
                "dialogues": dialogues,
                "tokenizer": tokenizer,
            }
        )
    )
    if as_json:
        click.echo(json.dumps(table.as_json(made), indent=1))
        return
    from rich.console import Console

    console = Console(highlight=False)
    Console(highlight=False, width=console.width if console.is_terminal else WIDTH).print(table.as_text(made))


def _engine(given: Mapping[str, object], num: int) -> str:
    """What the parameters of `train` name; a TPU chip holds everything, as a single device does."""
    from pipelines.plan.memory import ENGINES

    named = str(given.get("engine") or ("single" if num == 1 else "ddp"))
    if named not in {*ENGINES, "tpu"}:
        raise UsageError(f"--recipe names the engine {named}", expected=", ".join(ENGINES))
    return "single" if named == "tpu" else named
