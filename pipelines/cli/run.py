"""`touchstone run`: a pipeline on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from components.contracts.errors import UsageError


@click.command()
@click.argument("pipeline")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration, or a sweep's YAML.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random.")
@click.option("--name", default=None, help="Folder below --runs.  [default: PRESET-SEED]")
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option("--plain", is_flag=True, help="Give the target no style of its own (a control: never STYLE_ONLY).")
@click.option("--cell", "cells", multiple=True, help="Of a sweep: make this cell only; several times for several.")
@click.pass_context
def run(
    ctx: click.Context,
    pipeline: str,
    preset: str,
    seed: int,
    name: str | None,
    runs: Path,
    plain: bool,
    cells: tuple[str, ...],
) -> None:
    """Run PIPELINE here, step by step, and print its verdicts.

    Started again with the same name it goes on from the last finished step.
    """
    from pipelines import catalog
    from pipelines.local.study import run_study, run_sweep
    from pipelines.sweep.config import SweepConfig

    if cells and not catalog.is_sweep(pipeline):
        raise UsageError(f"{pipeline} is no sweep and has no cells", remedy="leave --cell out")
    dials = {"only": cells} if cells else {}
    config = catalog.preset(pipeline, preset, seed=seed, plain=plain, **dials)
    named = "" if pipeline == "imitation_audit" else f"{pipeline}-"
    folder = runs / (name or f"{named}{Path(preset).stem}-{seed}")
    if pipeline == "style_attribution":
        from pipelines.cli.attribution import world

        ctx.invoke(world, preset=preset, seed=seed, plain=plain, out=folder, as_json=False)
    elif isinstance(config, SweepConfig):
        run_sweep(pipeline, config, folder).print_to_terminal()
    else:
        run_study(pipeline, config, folder).print_to_terminal()
