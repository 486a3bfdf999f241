"""`touchstone list` and `touchstone show`: what there is, and what a run would do."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.graph import Task


@click.command("list")
def list_pipelines() -> None:
    """List pipelines with their presets, and steps with their ports."""
    from components.contracts import bind
    from pipelines import catalog

    click.echo("pipelines")
    for name in catalog.PIPELINES:
        found = catalog.pipeline(name)
        click.echo(f"  {name}: {found.question}")
        for preset, function in found.presets.items():
            click.echo(f"    --preset {preset}: {str(function.__doc__).splitlines()[0]}")
    click.echo("steps")
    for name, step in catalog.steps().items():
        declared = bind.declare(step)
        inputs = ", ".join(f"{port} {row.__name__}" for port, row in declared.inputs.items()) or "nothing"
        outputs = ", ".join(f"{port} {row.__name__}" for port, row in declared.outputs.items())
        click.echo(f"  {name} ({declared.box}): {inputs} -> {outputs}")


@click.command()
@click.argument("pipeline")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration, or a sweep's YAML.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Only the configuration, as JSON.")
def show(pipeline: str, preset: str, seed: int, as_json: bool) -> None:
    """Draw PIPELINE and print the configuration PRESET resolves to."""
    import yaml

    from pipelines import catalog, graph
    from pipelines.cli.compile import compile_to

    config = catalog.preset(pipeline, preset, seed=seed)
    values = config.model_dump(mode="json")
    if as_json:
        click.echo(json.dumps(values, indent=1, sort_keys=True))
        return
    with tempfile.TemporaryDirectory() as folder:
        ir = Path(folder) / "pipeline.yaml"
        compile_to(pipeline, config, ir)
        tasks = graph.tasks(graph.load(ir))
    click.echo(f"{pipeline}, preset {preset}: {sum(task.times for task in tasks)} steps\n")
    click.echo("\n".join(draw(tasks)))
    click.echo("\nconfiguration\n")
    click.echo(yaml.safe_dump(values, sort_keys=False, width=100).rstrip())


def draw(tasks: Sequence[Task]) -> list[str]:
    """One line a task in running order: what it is called, and which tasks feed which of its ports."""
    labels = {task.path: label(task) + (f" x {task.times}" if task.rounds else "") for task in tasks}
    width = max(map(len, labels.values()))
    lines = []
    for task in tasks:
        sources: dict[str, list[str]] = {}
        for port, origin in task.inputs.items():
            sources.setdefault(labels[origin.task], []).append(port)
        fed = ", ".join(f"{source} ({' '.join(ports)})" for source, ports in sources.items())
        lines.append(f"  {labels[task.path]:<{width}}  <- {fed}" if fed else f"  {labels[task.path]}")
    return lines


def label(task: Task) -> str:
    """A task as a person calls it: its step, and what for; of a loop, the step alone."""
    name = "" if task.rounds else task.params.get("params", {}).get("name", "")
    return f"{task.step} {name}".strip()
