"""`touchstone doctor`: whether a cluster can take a run."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--namespace", "-n", default=None, help="Of the runs.  [default: TOUCHSTONE_NAMESPACE or kubeflow]")
@click.option("--profile", default=None, help="What tasks ask of the cluster: cpu, gpu, tpu, FILE.  [default: cpu]")
@click.option("--gpu", is_flag=True, help="Short for --profile gpu.")
@click.option("--tpu", is_flag=True, help="Short for --profile tpu.")
@click.option("--trainjob", is_flag=True, help="Also what training on several nodes needs.")
@click.option("--crowd", is_flag=True, help="Also what the crowd service needs.")
@click.option("--images", "lock", default="images.lock", show_default=True, type=FOLDER, help="Images by digest.")
@click.option("--probe-image", default=None, help="Image of the probe pods.  [default: the lock's CPU image]")
@click.option("--kfp-host", default=None, help="Address of Kubeflow Pipelines.  [default: TOUCHSTONE_KFP_HOST]")
@click.option("--sandbox-namespace", default=None, help="Where generated code runs.  [default: as the ConfigMap says]")
@click.option("--kubeconfig", default=None, type=FOLDER, help="[default: KUBECONFIG or ~/.kube/config]")
@click.option("--context", default=None, help="Of the kubeconfig.  [default: its current one]")
@click.option("--no-pods", is_flag=True, help="Create nothing: for people who may only read.")
@click.option(
    "--pod-seconds", default=40.0, show_default=True, type=click.FloatRange(min=1), help="Limit of a probe pod."
)
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context,
    namespace: str | None,
    profile: str | None,
    gpu: bool,
    tpu: bool,
    trainjob: bool,
    crowd: bool,
    lock: Path,
    probe_image: str | None,
    kfp_host: str | None,
    sandbox_namespace: str | None,
    kubeconfig: Path | None,
    context: str | None,
    no_pods: bool,
    pod_seconds: float,
    as_json: bool,
) -> None:
    """Check a cluster before a run, and say what to type for whatever would fail.

    Small pods labelled touchstone/doctor try what only pods can try; they are removed at the end, also on Ctrl-C.
    Exit code 1 when something failed.
    """
    from components.contracts import environment
    from pipelines.cluster.profiles import load_profile
    from pipelines.doctor import command
    from pipelines.doctor.scope import Options

    options = Options(
        namespace=namespace or environment.namespace(),
        profile=load_profile(command.profile_name(profile, gpu=gpu, tpu=tpu)),
        lock=lock,
        sandbox_namespace=sandbox_namespace,
        kubeconfig=kubeconfig,
        context=context,
        kfp_host=kfp_host,
        probe_image=probe_image,
        trainjob=trainjob,
        crowd=crowd,
        pods=not no_pods,
        pod_seconds=pod_seconds,
    )
    ctx.exit(command.examine(options, as_json=as_json))
