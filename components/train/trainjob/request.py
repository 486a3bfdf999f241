"""What is asked of the cluster: parameters of the train step, and the request made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts import canonical

Runtime = Literal["touchstone-torch", "touchstone-deepspeed", "touchstone-tpu"]
"""ClusterTrainingRuntimes that the chart owns."""

COMMAND = ("python", "-m", "components.train")
SETTINGS = "touchstone"
"""ConfigMap of every namespace in which pipelines run."""
CREDENTIALS = "touchstone-s3"
"""Secret of the object store."""

# A pod is called NAME-launcher-0-0, and its host name may have 63 characters.
_LABEL_CHARACTERS = 20
_IDENTITY_CHARACTERS = 12


class ClusterParams(BaseModel):
    """The parameter `cluster` of the train step: absent, it trains in its own pod."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    runtime: Runtime = "touchstone-torch"
    """ClusterTrainingRuntime to train with; it brings image, node pool, tolerations and rights."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Pods, each on a node of its own pool."""
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    """nvidia.com/gpu of every pod."""
    tpus_per_node: Annotated[int, Field(ge=0)] = 0
    """google.com/tpu chips of every pod."""
    processes_per_node: Annotated[int, Field(ge=1)] | None = None
    """Training processes in a pod; None = what the runtime says (one for each GPU)."""
    memory: str = "32Gi"
    """Memory limit of a pod; what goes beyond it is killed (OOMKilled)."""
    cpu: str = "4"
    """Cores a pod is promised."""
    image: str | None = None
    """Image to train in, by digest; None = the runtime's."""
    deadline_seconds: Annotated[int, Field(ge=1)] | None = None
    """The whole training may take this long, from the TrainJob's creation; None = no limit."""
    start_timeout_seconds: Annotated[float, Field(gt=0)] = 1800.0
    """Longest wait for nodes (an autoscaler's start included) or in a queue, before the step gives up."""
    retry: bool = False
    """Delete a TrainJob of this very step that failed before, and train again."""


class Variable(BaseModel):
    """An environment variable of the training processes, from one source."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Its name."""
    value: str | None = None
    """The value itself; never a secret."""
    config_map: str | None = None
    """ConfigMap to read it from, under `key`."""
    secret: str | None = None
    """Secret to read it from, under `key`."""
    key: str = ""
    """Key within the ConfigMap or Secret; empty = the variable's name."""
    optional: bool = False
    """Whether the ConfigMap, the Secret or the key may be missing."""

    @model_validator(mode="after")
    def _one_source(self) -> Variable:
        if sum(source is not None for source in (self.value, self.config_map, self.secret)) != 1:
            raise ValueError(f"{self.name}: give one of value, config_map, secret")
        return self


STORE_VARIABLES = (
    Variable(name="TOUCHSTONE_STORE", config_map=SETTINGS),
    Variable(name="TOUCHSTONE_S3_ENDPOINT", config_map=SETTINGS),
    Variable(name="TOUCHSTONE_S3_REGION", config_map=SETTINGS, optional=True),
    Variable(name="TOUCHSTONE_PUSHGATEWAY", config_map=SETTINGS, optional=True),
    Variable(name="AWS_ACCESS_KEY_ID", secret=CREDENTIALS),
    Variable(name="AWS_SECRET_ACCESS_KEY", secret=CREDENTIALS),
)
"""How training pods reach the object store, by reference: no secret is written into a TrainJob."""


class Owner(BaseModel):
    """A Kubernetes object on whose deletion the TrainJob goes too: the pipeline run's Workflow."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    api_version: str
    """argoproj.io/v1alpha1, say."""
    kind: str
    """Workflow, say."""
    name: str
    """Its name, in the TrainJob's namespace."""
    uid: str
    """Its uid; a namesake made later is another object."""


class TrainJobRequest(BaseModel):
    """One TrainJob, and how patiently it is waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=46)]
    """Made by `job_name` from the step's identity, so that a second call finds the first one's TrainJob."""
    namespace: str
    """Where the pipeline runs."""
    runtime: str
    """Name of a ClusterTrainingRuntime."""
    step: Annotated[str, Field(pattern=r"^[0-9a-f]{12,63}$")]
    """The step's identity; label touchstone/step."""
    run: str = ""
    """Pipeline run that made it; label touchstone/run."""
    num_nodes: Annotated[int, Field(ge=1)] = 1
    """Pods of the training."""
    processes_per_node: Annotated[int, Field(ge=1)] | None = None
    """Training processes in each pod; None = the runtime decides."""
    resources: Mapping[str, str] = {"memory": "32Gi", "cpu": "4"}
    """Resource -> quantity of each pod. All but cpu are limits too."""
    image: str | None = None
    """Image to train in; None = the runtime's."""
    command: tuple[str, ...] = COMMAND
    """Program and its fixed words; no shell reads it."""
    arguments: tuple[str, ...] = ()
    """What follows: `train_arguments`."""
    environment: tuple[Variable, ...] = STORE_VARIABLES
    """Variables of the training processes, added to the runtime's."""
    owner: Owner | None = None
    """The run's Workflow: `Cluster.workflow_of`."""
    deadline_seconds: Annotated[int, Field(ge=1)] | None = None
    """Passed to the Trainer, which fails the TrainJob after it."""
    start_timeout_seconds: Annotated[float, Field(gt=0)] = 1800.0
    """Longest time a pod may be without a node, or the TrainJob suspended, before it is called a failure."""
    pull_timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    """The same for what Kubernetes retries but seldom mends: images, missing Secrets, refused pods."""
    outage_seconds: Annotated[float, Field(gt=0)] = 600.0
    """The API server may be unreachable this long; the training goes on meanwhile."""
    poll_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Between two looks."""
    retry: bool = False
    """Delete a failed TrainJob of this step and make it again."""


def job_name(label: str, identity: str) -> str:
    """Name of the TrainJob that does a step's work: train-LABEL-IDENTITY, 39 characters at most.

    Args:
        label: For people: the imitator's name.
        identity: Of the step, hexadecimal: `step_identity`.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:_LABEL_CHARACTERS].strip("-")
    return "-".join(filter(None, ["train", plain, identity[:_IDENTITY_CHARACTERS]]))


def step_identity(*, code_version: str, params: Mapping[str, object], parents: Mapping[str, str]) -> str:
    """Identity of a train step's work: 40 hexadecimal characters of the digest of code, parameters and inputs.

    How patiently the step waits and whether it tries again change nothing about the work, so they are left out:
    a call with `retry` finds the TrainJob that failed without.

    Args:
        code_version: `bind.code_version` of the step.
        params: The step's parameters; `cluster` within them is a dump of `ClusterParams`.
        parents: Input port -> digest of the artifact.
    """
    cluster = params.get("cluster")
    work = dict(params)
    if isinstance(cluster, Mapping):
        work["cluster"] = {k: v for k, v in cluster.items() if k not in {"retry", "start_timeout_seconds"}}
    return canonical.digest({"code": code_version, "params": work, "parents": dict(parents)})[:40]


def train_arguments(
    *, dialogues: str, base: str, checkpoint: str, curve: str, params: Mapping[str, object], code: str, replay: str = ""
) -> list[str]:
    """Arguments of `python -m components.train` for addresses in the object store.

    `cluster` is taken out of the parameters: what runs in the TrainJob trains, it does not submit again.
    """
    own = {name: value for name, value in params.items() if name != "cluster"}
    ports = {"--dialogues": dialogues, "--base": base, "--checkpoint": checkpoint, "--curve": curve}
    ports |= {"--replay": replay} if replay else {}
    return [*(word for pair in ports.items() for word in pair), "--params", canonical.dumps(own), "--code", code]


def request_of(
    params: ClusterParams,
    *,
    label: str,
    identity: str,
    namespace: str,
    arguments: list[str],
    run: str = "",
    owner: Owner | None = None,
) -> TrainJobRequest:
    """The request of a train step whose parameter `cluster` is `params`."""
    accelerators = {"nvidia.com/gpu": params.gpus_per_node, "google.com/tpu": params.tpus_per_node}
    variables = (*STORE_VARIABLES, Variable(name="TOUCHSTONE_RUN", value=run)) if run else STORE_VARIABLES
    return TrainJobRequest(
        name=job_name(label, identity),
        namespace=namespace,
        runtime=params.runtime,
        step=identity,
        run=run,
        num_nodes=params.nodes,
        processes_per_node=params.processes_per_node,
        resources={
            "cpu": params.cpu,
            "memory": params.memory,
            **{name: str(count) for name, count in accelerators.items() if count},
        },
        image=params.image,
        arguments=tuple(arguments),
        environment=variables,
        owner=owner,
        deadline_seconds=params.deadline_seconds,
        start_timeout_seconds=params.start_timeout_seconds,
        retry=params.retry,
    )
