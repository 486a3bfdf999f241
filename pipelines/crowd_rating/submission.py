"""The two pipelines on a Kubeflow server: compiled from a configuration, run once, or run by the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.yaml_documents import read_mapping
from pipelines.cluster.placement import Placement
from pipelines.cluster.submission import Version
from pipelines.crowd_rating.config import CollectConfig, PublishConfig

What = Literal["publish", "collect"]


def compile_to(what: What, config: Path, out: Path, placement: Placement | None) -> tuple[str, ...]:
    """Write the IR of the pipeline that `config` (YAML) describes; gives the names of the addresses that it takes.

    Raises:
        TouchstoneError: the configuration cannot be used, or the file cannot be written.
    """
    from kfp import compiler

    from pipelines.crowd_rating.pipeline import build_collect, build_publish

    given = read_mapping(config)
    addresses: tuple[str, ...]
    try:
        if what == "publish":
            graph, addresses = build_publish(PublishConfig.model_validate(given), placement), ("candidate", "reference")
        else:
            made = CollectConfig.model_validate(given)
            graph, addresses = build_collect(made, placement), ("study", "hits") if made.mturk else ("study",)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{config}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        compiler.Compiler().compile(graph, str(out))
    except OSError as error:
        raise TouchstoneError(f"cannot write {out}: {error.strerror}", remedy="choose another file with -o") from error
    return addresses


def read_addresses(given: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """`study=s3://...` for every address a pipeline takes.

    Raises:
        UsageError: one is missing, or another is given.
    """
    found = dict(part.split("=", 1) for part in given if "=" in part)
    if set(found) != set(wanted) or len(found) != len(given):
        raise UsageError(
            f"the addresses given are {', '.join(given) or 'none'}",
            expected=" ".join(f"--at {name}=ADDRESS" for name in wanted),
            remedy="addresses of artifacts stand beside them in Kubeflow's page",
        )
    return found


def schedule(
    client: Any,
    version: Version,
    *,
    name: str,
    arguments: Mapping[str, str],
    every_minutes: int,
    service_account: str | None = None,
) -> str:
    """Have a version run by the clock; gives the recurring run's id.

    Args:
        client: Of kfp.
        version: On the server.
        name: Of the recurring run, and of its experiment.
        arguments: Addresses.
        every_minutes: Between the starts of two runs.
        service_account: Of the tasks' pods; None = the server's.
    """
    made = client.create_recurring_run(
        experiment_id=client.create_experiment(name).experiment_id,
        job_name=name,
        pipeline_id=version.pipeline_id,
        version_id=version.version_id,
        interval_second=every_minutes * 60,
        # A run that was missed is not made up for: the next one sees everything. Two at once would only wait.
        no_catchup=True,
        max_concurrency=1,
        params=dict(arguments),
        enable_caching=False,
        service_account=service_account,
    )
    return str(made.recurring_run_id)
