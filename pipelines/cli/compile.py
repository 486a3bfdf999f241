"""`touchstone compile`: a pipeline as Kubeflow IR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.cluster.placement import Placement


@click.command("compile")
@click.argument("pipeline")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration, or a sweep's YAML.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random.")
@click.option("--profile", default="cpu", show_default=True, help="What tasks ask of the cluster: cpu, gpu, tpu, FILE.")
@click.option("--images", "lock", type=click.Path(path_type=Path), help="images.lock: puts digests into the IR.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="YAML file to write.")
def compile_pipeline(pipeline: str, preset: str, seed: int, profile: str, lock: Path | None, out: Path) -> None:
    """Compile PIPELINE to IR that Kubeflow Pipelines accepts.

    Without --images the tasks keep the images' logical names, which a laptop understands and a cluster does not.
    """
    from pipelines import catalog
    from pipelines.cluster.image_lock import read_lock
    from pipelines.cluster.placement import Placement
    from pipelines.cluster.profiles import load_profile

    placement = Placement(load_profile(profile), read_lock(lock) if lock else {})
    compile_to(pipeline, catalog.preset(pipeline, preset, seed=seed), out, placement)
    click.echo(out)


def compile_to(pipeline: str, config: object, out: Path, placement: Placement | None = None) -> None:
    """Write the IR of `pipeline` with `config` to `out`; without a placement, as a laptop runs it.

    Raises:
        UsageError: the file's name is not one of YAML.
        TouchstoneError: the file cannot be written.
    """
    from kfp import compiler

    from components.contracts.errors import TouchstoneError, UsageError
    from pipelines import catalog

    if out.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{out} is no YAML file", expected="a name that ends in .yaml", remedy=f"-o {out}.yaml")
    graph = catalog.pipeline(pipeline).build(config, placement)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        compiler.Compiler().compile(graph, str(out))
    except OSError as error:
        raise TouchstoneError(f"cannot write {out}: {error.strerror}", remedy="choose another file with -o") from error
