"""The train step when its work is done by a TrainJob: inputs to the store, a job, its checkpoint by address."""

from __future__ import annotations

from typing import Any

from components.contracts import bind, environment
from components.contracts.bind import Metrics
from components.contracts.detached import address_of, leave_pointer, remote_manifest
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import UsageError
from components.contracts.object_store import open_store
from components.contracts.ports import Checkpoint, Input, Nothing, Output
from components.contracts.rows import TextRow
from components.contracts.training_rows import TrainingStep
from components.train.params import Params
from components.train.trainjob.cluster import Cluster
from components.train.trainjob.request import ClusterParams, request_of, step_identity, train_arguments
from components.train.trainjob.run import run_train_job
from components.train.trainjob.surroundings import this_pod


def train_in_job(
    dialogues: Input[Dialogue],
    base: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    curve: Output[TrainingStep],
    params: Params,
    cluster_params: ClusterParams,
    replay: Input[TextRow],
) -> Metrics:
    """Train in a TrainJob. Imitator and curve stay in the object store; the outputs point there.

    Raises:
        UsageError: there is no object store that the training's pods could reach.
        TouchstoneError: the TrainJob failed or could not start, with the reason.
    """
    store = _reachable_store()
    provenance = checkpoint.provenance
    values = dict(provenance.params or {})
    parents = dict(provenance.parents or {})
    # As for any step: how the work is spread over processes does not make it other work.
    identity = step_identity(code_version=provenance.code_version, params=bind.identity_of(params), parents=parents)
    made, told = (f"{store}/trainjobs/{identity}/{port}" for port in ("checkpoint", "curve"))
    arguments = train_arguments(
        dialogues=_address(dialogues, store),
        base=_address(base, store),
        checkpoint=made,
        curve=told,
        params=values,
        code=provenance.code_version,
        replay="" if isinstance(replay, Nothing) else _address(replay, store),
    )
    cluster, pod = Cluster.connect(), this_pod()
    namespace = environment.namespace()
    request = request_of(
        cluster_params,
        label=params.name,
        identity=identity,
        namespace=namespace,
        arguments=arguments,
        run=environment.run_id() or "",
        owner=cluster.workflow_of(namespace, pod) if pod else None,
    )
    done = run_train_job(request, cluster)
    finished = remote_manifest(made)
    leave_pointer(checkpoint.path, finished, made)
    leave_pointer(curve.path, remote_manifest(told), told)
    steps = finished.notes.get("steps")
    return {"train_job_seconds": done.seconds, **({"steps": float(steps)} if isinstance(steps, int | float) else {})}


def _reachable_store() -> str:
    """The object store that the training's pods reach too."""
    store = environment.step_store()
    if not isinstance(store, str) or not store.startswith("s3://"):
        raise UsageError(
            f"training on other nodes needs an object store, and TOUCHSTONE_STORE is {store or 'not set'}",
            expected="s3://BUCKET/PREFIX, which the chart's ConfigMap touchstone gives to every task",
            remedy="helm install the chart, or leave the parameter `cluster` of train out",
        )
    return store


def _address(port: Input[Any], store: str) -> str:
    """Where the training's pods find an input: where it lies already, or a copy of it under its content's name."""
    there = address_of(port.path)
    if there is not None:
        return there
    key = f"inputs/{port.digest}"
    open_store(store).upload(port.path, key)
    return f"{store}/{key}"
