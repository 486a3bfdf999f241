"""What each kind of task asks of a cluster: named profiles, and the same fields from a YAML file.

A task's kind is the logical image it runs in: `cpu` (everything that scores), `train` and `generate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.contracts import images
from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping
from pipelines.cluster.workflow_size import ARGOS_LIMIT_BYTES

Quantity = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(m|[KMGT]i?)?$")]
KINDS = {images.CPU: "cpu", images.TRAIN: "train", images.GENERATE: "generate"}
GPU_LABEL = {"touchstone/pool": "gpu"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Toleration(_Frozen):
    """A taint that tasks may ignore."""

    key: str
    """Key of the taint."""
    operator: Literal["Equal", "Exists"] = "Exists"
    """Equal compares `value`."""
    value: str | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] | None = None
    """Effect that is tolerated; null = every effect."""


class Accelerator(_Frozen):
    """Devices a task gets whole."""

    resource: str
    """Extended resource, such as nvidia.com/gpu or google.com/tpu."""
    count: Annotated[int, Field(gt=0)] = 1
    """Devices on the task's node."""


class Needs(_Frozen):
    """What one kind of task asks for."""

    cpu: Quantity
    """Requested cores; there is no limit on cores, idle ones may be used."""
    memory: Quantity
    """Requested memory and its limit."""
    accelerator: Accelerator | None = None
    """GPU or TPU."""
    node_selector: Mapping[str, str] = {}
    """Labels a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that are tolerated."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, taken from the task's memory; null = the runtime's 64 MiB."""
    retries: Annotated[int, Field(ge=0)] = 2
    """Attempts after a failure. Steps are found again by content, so that a retry repeats no finished work."""
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    """A task that takes longer is ended; null = no limit."""


class Profile(_Frozen):
    """A cluster as the pipelines see it."""

    name: str
    """For messages."""
    cpu: Needs
    """Scoring, validation, statistics."""
    train: Needs
    """Fine-tuning."""
    generate: Needs
    """Completions and log-probabilities."""
    config_map: str = "touchstone"
    """Holds the object store's address; the chart makes it."""
    secret: str = "touchstone-s3"
    """Holds the object store's credentials."""
    image_pull_secrets: tuple[str, ...] = ()
    """For a private registry."""
    run_as_user: Annotated[int, Field(gt=0)] = 65532
    """Numeric user of every task."""
    max_workflow_bytes: Annotated[int, Field(ge=0)] = ARGOS_LIMIT_BYTES
    """What Argo keeps of one workflow; 0 = no limit, where it keeps the state of tasks in a database."""

    def needs(self, image: str) -> Needs:
        """What a task in a logical image asks for."""
        found: Needs = getattr(self, KINDS[image])
        return found


_CPU = Needs(cpu="500m", memory="2Gi")


def cpu() -> Profile:
    """Everything on ordinary nodes: the presets that a laptop can run."""
    work = Needs(cpu="1", memory="3Gi", shared_memory="512Mi", retries=3)
    return Profile(name="cpu", cpu=_CPU, train=work, generate=work)


def gpu() -> Profile:
    """Training and generation on one GPU each, of the pool labelled touchstone/pool=gpu."""
    taint = Toleration(key="nvidia.com/gpu")
    work = Needs(
        cpu="6",
        memory="64Gi",
        accelerator=Accelerator(resource="nvidia.com/gpu"),
        node_selector=GPU_LABEL,
        tolerations=(taint,),
        shared_memory="16Gi",
        retries=4,
    )
    return Profile(name="gpu", cpu=_CPU.model_copy(update={"cpu": "2", "memory": "8Gi"}), train=work, generate=work)


def tpu() -> Profile:
    """Training on a TPU v5e slice of one host (2x4), generation on a GPU."""
    on_gpu = gpu()
    slice_ = Needs(
        cpu="24",
        memory="128Gi",
        accelerator=Accelerator(resource="google.com/tpu", count=8),
        node_selector={
            "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
            "cloud.google.com/gke-tpu-topology": "2x4",
        },
        tolerations=(Toleration(key="google.com/tpu"),),
        shared_memory="16Gi",
        retries=4,
    )
    return on_gpu.model_copy(update={"name": "tpu", "train": slice_})


PROFILES: Mapping[str, Callable[[], Profile]] = {"cpu": cpu, "gpu": gpu, "tpu": tpu}


def load_profile(source: str) -> Profile:
    """A profile by name, or from a YAML file.

    Raises:
        UsageError: no such profile or file, an unknown key or an impossible value.
    """
    if source in PROFILES:
        return PROFILES[source]()
    path = Path(source)
    if not path.is_file():
        raise UsageError(
            f"no profile called {source}",
            expected=f"{', '.join(PROFILES)}, or a YAML file",
            remedy="touchstone submit --profile cpu",
        )
    document = read_mapping(path)
    try:
        return Profile.model_validate({"name": path.stem, **document})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path}: {problems}", expected=", ".join(Profile.model_fields)) from error
