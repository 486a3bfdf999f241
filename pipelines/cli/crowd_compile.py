"""`touchstone crowd compile`: the two pipelines of ratings by people as Kubeflow IR."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compile")
@click.argument("what", type=click.Choice(["publish", "collect"]))
@click.option("--config", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="YAML.")
@click.option("--profile", default="cpu", show_default=True, help="What tasks ask of the cluster: cpu, gpu, tpu, FILE.")
@click.option("--images", "lock", type=click.Path(path_type=Path), help="images.lock: puts digests into the IR.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="YAML file to write.")
def compile_crowd(what: str, config: Path, profile: str, lock: Path | None, out: Path) -> None:
    """Compile the pipeline that publishes a study, or the one that collects it and is to run by the clock.

    The configuration is described in docs/crowd-mturk.md.
    """
    from kfp import compiler
    from pydantic import ValidationError

    from components.contracts.errors import TouchstoneError, UsageError
    from components.contracts.yaml_documents import read_mapping
    from pipelines.cluster.image_lock import read_lock
    from pipelines.cluster.placement import Placement
    from pipelines.cluster.profiles import load_profile
    from pipelines.crowd_rating.config import CollectConfig, PublishConfig
    from pipelines.crowd_rating.pipeline import build_collect, build_publish

    placement = Placement(load_profile(profile), read_lock(lock) if lock else {})
    given = read_mapping(config)
    try:
        if what == "publish":
            graph = build_publish(PublishConfig.model_validate(given), placement)
        else:
            graph = build_collect(CollectConfig.model_validate(given), placement)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{config}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        compiler.Compiler().compile(graph, str(out))
    except OSError as error:
        raise TouchstoneError(f"cannot write {out}: {error.strerror}", remedy="choose another file with -o") from error
    click.echo(out)
