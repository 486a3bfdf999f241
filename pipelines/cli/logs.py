"""`touchstone logs`: what the steps of a run said."""

from __future__ import annotations

import click


@click.command()
@click.argument("run_id", default="latest")
@click.argument("task", required=False)
@click.option("--kfp-host", default=None, help="Address of the server.  [default: TOUCHSTONE_KFP_HOST]")
@click.option("-n", "--namespace", default=None, help="Of the run's pods.  [default: TOUCHSTONE_NAMESPACE or kubeflow]")
@click.option("--failed", is_flag=True, help="Only steps that failed.")
@click.option("--whole", is_flag=True, help="Also what Kubeflow's launcher and Argo wrote.")
def logs(run_id: str, task: str | None, kfp_host: str | None, namespace: str | None, failed: bool, whole: bool) -> None:
    """Print what the steps of RUN_ID said: all of them, or those whose name begins with TASK."""
    from components.contracts import environment
    from components.contracts.errors import UsageError
    from pipelines.cluster import pod_logs, runs
    from pipelines.cluster.server import connect, server_errors

    client = connect(kfp_host)
    chosen = runs.latest(client) if run_id == "latest" else run_id
    with server_errors("the server"):
        names = runs.labels(client, client.get_run(chosen))
    place = namespace or environment.namespace()
    pods = [(names.get(pod.task, pod.task), pod) for pod in pod_logs.step_pods(place, chosen)]
    wanted = [(name, p) for name, p in pods if name.startswith(task or "") and (not failed or p.phase == "Failed")]
    if not wanted:
        what = "no step that failed" if failed else f"no step called {task}" if task else "begun no step"
        known = ", ".join(sorted({name for name, _ in pods})) or "steps: Kubeflow's own drivers come before them"
        raise UsageError(f"run {chosen} has {what}", expected=known, remedy=f"touchstone status {chosen}")
    for name, pod in wanted:
        click.echo(f"--- {name} ({pod.phase.lower()}) {pod.pod}", err=True)
        if pod.phase != "Pending":  # nothing was said yet
            for line in pod_logs.read(place, pod.pod, whole=whole):
                click.echo(line)
