"""`touchstone step`: one step on artifact folders, without Kubeflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.contracts.errors import UsageError

if TYPE_CHECKING:
    from components.contracts.bind import Declaration


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("name")
@click.option("--params", "given", help="YAML or JSON file of parameters, or the JSON itself.")
@click.pass_context
def step(ctx: click.Context, name: str, given: str | None) -> None:
    """Run step NAME; every port is an option of its own: --PORT FOLDER, or --PORT s3://BUCKET/KEY.

    A port that takes several artifacts is given several times.

    `touchstone list` names the steps and their ports.
    """
    from components.contracts import bind
    from pipelines import catalog

    chosen = catalog.step(name)
    declared = bind.declare(chosen)
    paths = _ports(ctx.args, declared)
    outcome = bind.call(chosen, params=read_params(given), **paths)
    click.echo(json.dumps(outcome.metrics, indent=1, sort_keys=True))


def read_params(given: str | None) -> dict[str, Any]:
    """Parameters from a YAML or JSON file, or from JSON that begins with a brace; none when nothing is given.

    Raises:
        UsageError: the file cannot be read or is not a mapping.
    """
    from components.contracts.yaml_documents import parse_mapping, read_mapping

    if given is None:
        return {}
    return parse_mapping(Path("--params"), given) if given.lstrip().startswith("{") else read_mapping(Path(given))


def _ports(arguments: list[str], declared: Declaration) -> dict[str, str | list[str]]:
    known, name = {*declared.inputs, *declared.outputs}, declared.name
    found: dict[str, str | list[str]] = {port: [] for port in declared.many}
    rest = iter(arguments)
    for flag in rest:
        port, _, value = flag.removeprefix("--").partition("=")
        port = port.replace("-", "_")
        if not flag.startswith("--") or port not in known:
            raise UsageError(f"{name} has no port {flag}", expected=", ".join(f"--{p}" for p in sorted(known)))
        folder = value or next(rest, "")
        collected = found.get(port)
        if isinstance(collected, list):
            collected.append(folder)
        else:
            found[port] = folder
    missing = sorted(known - declared.optional - {port for port, value in found.items() if value})
    if missing:
        raise UsageError(
            f"{name} needs {', '.join(f'--{p}' for p in missing)}", expected="a folder for every port of the step"
        )
    return found
