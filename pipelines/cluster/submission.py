"""Compiled pipelines become versions on the server, and versions become runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import UsageError
from pipelines import graph
from pipelines.cluster.image_lock import refuse_floating
from pipelines.cluster.versions import version_name

PAGE_SIZE = 100


@dataclass(frozen=True)
class Version:
    """A version of a pipeline on the server."""

    pipeline: str
    """Display name of the pipeline."""
    name: str
    """Name of the version."""
    pipeline_id: str
    """The server's id."""
    version_id: str
    """The server's id."""
    was_there: bool
    """Whether it had been uploaded before."""


def check_pinned(ir: Path) -> None:
    """Refuse a compiled pipeline that names an image without digest.

    Raises:
        UsageError: it does.
    """
    document = graph.load(ir)
    executors = document["deploymentSpec"]["executors"].values()
    refuse_floating([e["container"]["image"] for e in executors if "container" in e], where="the compiled pipeline")


def upload(client: Any, ir: Path) -> Version:
    """Put a compiled pipeline on the server under the version its content names; twice is once.

    Raises:
        UsageError: an image without digest.
    """
    check_pinned(ir)
    info = graph.load(ir)["pipelineInfo"]
    name, version = info["name"], version_name(ir)
    pipeline_id = client.get_pipeline_id(name) or _create_pipeline(client, name, info.get("description", ""))
    found = _find_version(client, pipeline_id, version)
    if found:
        return Version(name, version, pipeline_id, found, was_there=True)
    made = client.upload_pipeline_version(str(ir), pipeline_version_name=version, pipeline_id=pipeline_id)
    return Version(name, version, pipeline_id, made.pipeline_version_id, was_there=False)


def start(
    client: Any,
    version: Version,
    *,
    experiment: str,
    run_name: str,
    arguments: Mapping[str, Any],
    service_account: str | None,
    pipeline_root: str | None,
) -> str:
    """Create a run of a version; gives its id."""
    made = client.run_pipeline(
        client.create_experiment(experiment).experiment_id,
        run_name,
        pipeline_id=version.pipeline_id,
        version_id=version.version_id,
        params=dict(arguments),
        service_account=service_account,
        pipeline_root=pipeline_root,
    )
    run_id: str = made.run_id
    return run_id


def parse_policy(text: str | None) -> dict[str, Any]:
    """The policy's changes given on the command line, as JSON.

    Raises:
        UsageError: not a JSON object.
    """
    try:
        changes = json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise UsageError(f"--policy {text!r}: {error}", expected="JSON such as '{\"alpha\": 0.01}'") from error
    if not isinstance(changes, dict):
        raise UsageError(f"--policy holds a {type(changes).__name__}", expected="JSON such as '{\"alpha\": 0.01}'")
    # Checked here, before anything is rented, by the rules that `report` will apply at the end.
    from components.report.policy import policy_from

    policy_from(changes, where="--policy")
    return changes


def _create_pipeline(client: Any, name: str, description: str) -> str:
    from kfp_server_api import V2beta1Pipeline

    # `upload_pipeline` would also make a first version that is called like the pipeline.
    made = client._pipelines_api.pipeline_service_create_pipeline(
        pipeline=V2beta1Pipeline(name=name, display_name=name, description=description)
    )
    pipeline_id: str = made.pipeline_id
    return pipeline_id


def _find_version(client: Any, pipeline_id: str, name: str) -> str | None:
    token = ""
    while True:
        page = client.list_pipeline_versions(pipeline_id, page_token=token, page_size=PAGE_SIZE)
        for version in page.pipeline_versions or ():
            if version.display_name == name:
                version_id: str = version.pipeline_version_id
                return version_id
        token = page.next_page_token
        if not token:
            return None
