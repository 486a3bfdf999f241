"""`touchstone crowd compile`, `submit` and `unschedule`: the two pipelines of ratings by people on Kubeflow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.cluster.placement import Placement
    from pipelines.crowd_rating.submission import What

WHAT = click.argument("what", type=click.Choice(["publish", "collect"]))
CONFIG = click.option(
    "--config", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="docs/crowd-mturk.md"
)
PROFILE = click.option("--profile", default="cpu", show_default=True, help="What tasks ask of the cluster: cpu, FILE.")
HOST = click.option("--kfp-host", default=None, help="Address of the server.  [default: TOUCHSTONE_KFP_HOST]")


@click.command("compile")
@WHAT
@CONFIG
@PROFILE
@click.option("--images", "lock", type=click.Path(path_type=Path), help="images.lock: puts digests into the IR.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="YAML file to write.")
def compile_crowd(what: What, config: Path, profile: str, lock: Path | None, out: Path) -> None:
    """Compile the pipeline that publishes a study, or the one that collects it and is to run by the clock."""
    from pipelines.crowd_rating.submission import compile_to

    compile_to(what, config, out, _placement(profile, lock))
    click.echo(out)


@click.command("submit")
@WHAT
@CONFIG
@PROFILE
@click.option("--images", "lock", default="images.lock", show_default=True, type=click.Path(path_type=Path))
@click.option("--at", "addresses", multiple=True, metavar="NAME=ADDRESS", help="candidate, reference; study, hits.")
@click.option("--every", "minutes", type=click.IntRange(min=5), help="Collect every so many minutes, from now on.")
@HOST
@click.option("--service-account", default=None, help="Of the tasks' pods.  [default: the server's]")
def submit_crowd(
    what: What,
    config: Path,
    profile: str,
    lock: Path,
    addresses: tuple[str, ...],
    minutes: int | None,
    kfp_host: str | None,
    service_account: str | None,
) -> None:
    """Put the pipeline on the server and run it: once, or with --every by the clock. Prints the run's id."""
    from components.contracts.errors import UsageError
    from pipelines.cluster import runs, submission
    from pipelines.cluster.server import connect, server_errors
    from pipelines.crowd_rating.submission import compile_to, read_addresses, schedule

    if minutes is not None and what == "publish":
        raise UsageError("publish with --every", expected="--every with collect: a study is published once")
    with tempfile.TemporaryDirectory() as scratch:
        ir = Path(scratch) / "pipeline.yaml"
        arguments = read_addresses(addresses, compile_to(what, config, ir, _placement(profile, lock)))
        client = connect(kfp_host)
        with server_errors("the server"), runs.quiet():
            version = submission.upload(client, ir)
            name = f"{version.pipeline} {config.stem}"
            if minutes is not None:
                run_id = schedule(
                    client,
                    version,
                    name=name,
                    arguments=arguments,
                    every_minutes=minutes,
                    service_account=service_account,
                )
            else:
                run_id = submission.start(
                    client,
                    version,
                    experiment=name,
                    run_name=name,
                    arguments=arguments,
                    service_account=service_account,
                    pipeline_root=None,
                )
    click.echo(run_id)


@click.command()
@click.argument("recurring_run")
@HOST
def unschedule(recurring_run: str, kfp_host: str | None) -> None:
    """Stop RECURRING_RUN (the id that `submit collect --every` printed): the study is closed."""
    from pipelines.cluster import runs
    from pipelines.cluster.server import connect, server_errors

    client = connect(kfp_host)
    with server_errors("the server"), runs.quiet():
        client.delete_recurring_run(recurring_run)
    click.echo(f"{recurring_run} runs no more")


def _placement(profile: str, lock: Path | None) -> Placement:
    from pipelines.cluster.image_lock import read_lock
    from pipelines.cluster.placement import Placement
    from pipelines.cluster.profiles import load_profile

    return Placement(load_profile(profile), read_lock(lock) if lock else {})
