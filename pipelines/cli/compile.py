"""`touchstone compile`: a pipeline as Kubeflow IR."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compile")
@click.argument("pipeline")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="YAML file to write.")
def compile_pipeline(pipeline: str, preset: str, seed: int, out: Path) -> None:
    """Compile PIPELINE to IR that Kubeflow Pipelines accepts."""
    from pipelines import catalog

    compile_to(pipeline, catalog.preset(pipeline, preset, seed=seed), out)
    click.echo(out)


def compile_to(pipeline: str, config: object, out: Path) -> None:
    """Write the IR of `pipeline` with `config` to `out`.

    Raises:
        TouchstoneError: the file cannot be written.
    """
    from kfp import compiler

    from components.contracts.errors import TouchstoneError
    from pipelines import catalog

    graph = catalog.pipeline(pipeline).build(config)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        compiler.Compiler().compile(graph, str(out))
    except OSError as error:
        raise TouchstoneError(f"cannot write {out}: {error.strerror}", remedy="choose another file with -o") from error
