"""`touchstone status`: the tasks of a run on Kubeflow Pipelines."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("run_id", default="latest")
@click.option("--kfp-host", default=None, help="Address of the server.  [default: TOUCHSTONE_KFP_HOST]")
@click.option("-n", "--namespace", default=None, help="Of the run's pods.  [default: TOUCHSTONE_NAMESPACE or kubeflow]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def status(run_id: str, kfp_host: str | None, namespace: str | None, as_json: bool) -> None:
    """Show the state of RUN_ID and of its tasks; without an id, of the newest run."""
    from components.contracts import environment
    from pipelines.cluster import runs
    from pipelines.cluster.server import connect, server_errors

    client = connect(kfp_host)
    chosen = runs.latest(client) if run_id == "latest" else run_id
    with server_errors("the server"):
        run = client.get_run(chosen)
    tasks = runs.current(run, runs.labels(client, run), namespace or environment.namespace())
    if as_json:
        rows = [{"name": t.name, "state": t.state, "seconds": t.seconds} for t in tasks]
        click.echo(json.dumps({"run_id": chosen, "name": run.display_name, "state": run.state, "tasks": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    click.echo(f"{run.display_name}: {run.state}, run {chosen}")
    table = Table(box=None, pad_edge=False)
    table.add_column("task")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for task in tasks:
        table.add_row(task.name, task.state, "" if task.seconds is None else f"{task.seconds:.0f}")
    Console().print(table)
