"""`touchstone run`: a pipeline on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("pipeline")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration; `touchstone list` shows them.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random.")
@click.option("--name", default=None, help="Folder below --runs.  [default: PRESET-SEED]")
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option("--plain", is_flag=True, help="Give the target no style of its own (a control: never STYLE_ONLY).")
def run(pipeline: str, preset: str, seed: int, name: str | None, runs: Path, plain: bool) -> None:
    """Run PIPELINE here, step by step, and print its verdicts.

    Started again with the same name it goes on from the last finished step.
    """
    from pipelines import catalog
    from pipelines.local.study import run_study

    config = catalog.preset(pipeline, preset, seed=seed, plain=plain)
    folder = runs / (name or f"{preset}-{seed}")
    result = run_study(pipeline, config, folder)
    result.print_to_terminal()
