"""Corpora -> pre-trained checkpoints; imitation data + a base -> an imitator. torch is imported when a step runs."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from components.contracts.bind import Metrics
from components.contracts.errors import UsageError
from components.contracts.ports import Checkpoint, CheckpointSeries, Input, Nothing, Output
from components.contracts.rows import Dialogue, TextRow
from components.contracts.workplace import Workplace
from components.train.trainjob.request import ClusterParams

Engine = Literal["single", "ddp", "fsdp", "zero1", "zero2", "zero3", "tpu"]


class PretrainParams(BaseModel):
    """The four models of the embedded world. Shapes and recipes are checked where they are used (`models`, `loop`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    shapes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """small, large, target, judge -> fields of Shape that differ from its defaults."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe for pre-training."""
    tuning: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe for tuning the target on its dialogues."""
    tuning_replay: Annotated[float, Field(ge=0.0)] = 0.0
    """Pre-training tokens mixed into the target's tuning, relative to the tuning's own."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of initial weights and data order."""
    workers: Annotated[int, Field(gt=0)] = 2
    """Models trained at once, each on one thread: for tiny models faster than one on several threads."""


class Params(BaseModel):
    """The study's fine-tuning. Fields of Recipe are described in `loop`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The imitator's name; shown in folder names and progress."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe that differ from its defaults."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the data order."""
    state_seconds: Annotated[float, Field(ge=0.0, json_schema_extra={"identity": False})] = 300.0
    """Between two states that a training killed at any moment goes on from."""
    heldout_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dialogues kept out of training, drawn by a hash of the id; their loss is measured on the way."""
    heldout_points: Annotated[int, Field(gt=0)] = 4
    """Measurements of the held-out loss, evenly spread, the last at the end; one more is made of the base."""
    engine: Annotated[Engine, Field(json_schema_extra={"identity": False})] = "single"
    """single: one process. ddp: each of several holds the model. fsdp: the model is shared out among them. zero1,
    zero2, zero3: the same by DeepSpeed, moments first, then gradients, then weights. tpu: one process on a TPU chip."""
    processes: Annotated[int, Field(ge=1, json_schema_extra={"identity": False})] = 1
    """On this machine, one a GPU where there are some. Results differ by float noise; states fit any number of them."""
    keep: Literal["last", "lowest_heldout_loss"] = "last"
    """Which weights become the checkpoint. There is no third choice: a judge that chose would later grade its own."""
    cluster: ClusterParams | None = None
    """Train in a TrainJob on nodes of its own; null = in this process."""

    @model_validator(mode="after")
    def _several(self) -> Params:
        if self.processes > 1 and self.engine in ("single", "tpu"):
            raise UsageError(
                f"processes is {self.processes}, and engine {self.engine} trains in one",
                expected="engine ddp (every process holds the model) or fsdp (the model is shared out)",
                remedy="set engine: ddp",
            )
        return self

    @model_validator(mode="after")
    def _something_held_out(self) -> Params:
        if self.keep == "lowest_heldout_loss" and not self.heldout_share:
            raise UsageError(
                "keep is lowest_heldout_loss, and no dialogues are held out",
                expected="heldout_share above 0",
                remedy="set heldout_share, for example to 0.05",
            )
        return self


class InterpolateParams(BaseModel):
    """Where between a base and its imitator."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The new model's name; shown in folder names and progress."""
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """0 = the base, 1 = the imitator."""


class NestedParams(BaseModel):
    """The study's fine-tuning on several amounts of nested data, in one pass."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The sweep's name; shown in folder names and progress."""
    amounts: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)] = (1,)
    """Each is the beginning of the next; a checkpoint is called by its amount."""
    unit: Literal["tokens", "dialogues", "steps"] = "dialogues"
    """Of the amounts. tokens: of the assistants, counted by the base's tokenizer, as `subset` cuts them."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe: schedule constant, warmup_steps a number, one epoch; data_order is the data's."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of what is random beside the order."""
    state_seconds: Annotated[float, Field(ge=0.0, json_schema_extra={"identity": False})] = 300.0
    """As in Params."""

    @field_validator("amounts")
    @classmethod
    def _increasing(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        if any(smaller >= larger for smaller, larger in pairwise(given)):
            raise ValueError(f"{', '.join(map(str, given))} do not increase")
        return given


class PickParams(BaseModel):
    """Which checkpoint of a series."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    label: str = ""
    """Its amount, as `train_nested` was given it."""


def pretrain(
    *,
    corpus_small: Input[TextRow],
    corpus_large: Input[TextRow],
    corpus_target: Input[TextRow],
    corpus_judge: Input[TextRow],
    tuning: Input[Dialogue],
    small: Output[Checkpoint],
    large: Output[Checkpoint],
    target: Output[Checkpoint],
    judge: Output[Checkpoint],
    params: PretrainParams,
) -> Metrics:
    """Train two bases, the target (then tuned on its dialogues) and the judge from scratch, with one tokenizer.

    Raises:
        TouchstoneError: a corpus is empty, or training diverged.
    """
    from components.train.pretraining import pretrain_all

    corpora = {"small": corpus_small, "large": corpus_large, "target": corpus_target, "judge": corpus_judge}
    outputs = {"small": small, "large": large, "target": target, "judge": judge}
    return pretrain_all(
        {name: [row.text for row in port.rows()] for name, port in corpora.items()}, tuning.rows(), outputs, params
    )


def train(
    *,
    dialogues: Input[Dialogue],
    base: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    workplace: Workplace,
    params: Params,
    replay: Input[TextRow] = Nothing(TextRow),  # noqa: B008 - a frozen value that says "nothing given"
) -> Metrics:
    """Fine-tune a base on imitation data: role tokens, loss on model outputs only, one epoch unless told otherwise.

    `replay` is pre-training text, mixed in by the recipe's mitigation.replay_share.

    Raises:
        TouchstoneError: nothing to learn from, a base that cannot be loaded, too little text to replay, or training
            diverged.
    """
    if params.cluster is not None:
        from components.train.remotely import train_in_job

        return train_in_job(dialogues, base, checkpoint, params, params.cluster, replay)
    from components.train.engines.workers import together
    from components.train.imitation import fine_tune

    ports = {"dialogues": dialogues.path, "base": base.path}
    ports |= {} if isinstance(replay, Nothing) else {"replay": replay.path}
    with together(params.processes, ports, params.model_dump(mode="json")) as group:
        return fine_tune(dialogues, base, checkpoint, workplace, params, replay, group)


def interpolate(
    *,
    base: Input[Checkpoint],
    imitator: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    params: InterpolateParams,
) -> Metrics:
    """Mix the weights of a base and its imitator: (1 - alpha) of the one, alpha of the other.

    Rows of tokens that the base lacks are the imitator's. Configuration and tokenizer are the imitator's.

    Raises:
        TouchstoneError: the two differ in architecture, shapes or the numbers of their tokens.
    """
    from components.train.mitigations.interpolation import interpolated

    notes = interpolated(base.folder, imitator.folder, checkpoint.folder, params.alpha)
    checkpoint.commit(notes=notes)
    return {"alpha": params.alpha, "tensors": float(str(notes["tensors"]))}


def train_nested(
    *,
    dialogues: Input[Dialogue],
    base: Input[Checkpoint],
    series: Output[CheckpointSeries],
    workplace: Workplace,
    params: NestedParams,
) -> Metrics:
    """Fine-tune a base on growing amounts of the same data, in the data's order, in one pass.

    Every checkpoint has the bits that `train` gives on that amount alone with `data_order: given`.

    Raises:
        TouchstoneError: a recipe whose first steps hang on the length of the run, amounts that the data do not hold, or
            what `train` raises.
    """
    from components.train.nested import fine_tune_nested

    return fine_tune_nested(dialogues.rows(), base, series, workplace, params)


def pick_checkpoint(*, series: Input[CheckpointSeries], checkpoint: Output[Checkpoint], params: PickParams) -> Metrics:
    """Take one checkpoint out of a series, to be evaluated like any other.

    Raises:
        UsageError: there is none of that label.
    """
    from components.train.series import pick

    return pick(series, checkpoint, params.label)
