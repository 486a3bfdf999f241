"""`touchstone submit`: a pipeline on Kubeflow Pipelines."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click


@click.command()
@click.argument("pipeline")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration, or a sweep's YAML.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the run.")
@click.option("--policy", default=None, help="Keys of the policy that differ, as JSON.")
@click.option("--profile", default="cpu", show_default=True, help="What tasks ask of the cluster: cpu, gpu, tpu, FILE.")
@click.option(
    "--images",
    "lock",
    default="images.lock",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Images by digest.",
)
@click.option("--kfp-host", default=None, help="Address of the server.  [default: TOUCHSTONE_KFP_HOST]")
@click.option("--experiment", default="touchstone", show_default=True, help="Kubeflow experiment the run belongs to.")
@click.option("--name", default=None, help="Name of the run.  [default: PIPELINE PRESET SEED]")
@click.option("--service-account", default=None, help="Of the tasks' pods.  [default: the server's]")
@click.option("--pipeline-root", default=None, help="Where Kubeflow keeps artifacts.  [default: the server's]")
@click.option("--upload-only", is_flag=True, help="Put the version on the server and start nothing.")
@click.option("-n", "--namespace", default=None, help="Of the run's pods.  [default: TOUCHSTONE_NAMESPACE or kubeflow]")
@click.option("--wait", is_flag=True, help="Follow the run to its end; exit 1 when it fails.")
def submit(
    pipeline: str,
    preset: str,
    seed: int,
    policy: str | None,
    profile: str,
    lock: Path,
    kfp_host: str | None,
    experiment: str,
    name: str | None,
    service_account: str | None,
    pipeline_root: str | None,
    upload_only: bool,
    namespace: str | None,
    wait: bool,
) -> None:
    """Compile PIPELINE, put it on the server as a version of its own, and start a run.

    The same code, settings and images are uploaded once, however often this is called.
    """
    from components.contracts import environment
    from pipelines import catalog
    from pipelines.cli.compile import compile_to
    from pipelines.cluster import runs, submission
    from pipelines.cluster.image_lock import read_lock
    from pipelines.cluster.placement import Placement
    from pipelines.cluster.profiles import load_profile
    from pipelines.cluster.server import connect, server_errors
    from pipelines.cluster.workflow_size import refuse_too_large

    placement = Placement(load_profile(profile), read_lock(lock))
    changes = submission.parse_policy(policy)
    client = connect(kfp_host)
    with tempfile.TemporaryDirectory() as scratch, server_errors("the server"), runs.quiet():
        ir = Path(scratch) / "pipeline.yaml"
        # The seed is the run's, so that every seed is a run of the same version.
        compile_to(pipeline, catalog.preset(pipeline, preset), ir, placement)
        refuse_too_large(ir, placement.profile.max_workflow_bytes)
        version = submission.upload(client, ir)
        click.echo(f"{version.pipeline} {version.name} {'was there' if version.was_there else 'uploaded'}", err=True)
        if upload_only:
            return
        run_id = submission.start(
            client,
            version,
            experiment=experiment,
            run_name=name or f"{pipeline} {preset} {seed}",
            arguments={"seed": seed, "policy": changes},
            service_account=service_account,
            pipeline_root=pipeline_root,
        )
    click.echo(run_id)
    if wait:
        runs.follow(client, run_id, namespace or environment.namespace())
