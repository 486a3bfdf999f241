"""Parameters of the steps. Those of a training itself are fields of Recipe (`recipe`)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from components.contracts.errors import UsageError
from components.train.recipe import Recipe
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

    @field_validator("recipe", "tuning")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        Recipe.of(given)
        return given


class BaseParams(BaseModel):
    """One base, made from scratch."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The base's name; shown in folder names and progress."""
    shape: dict[str, Any] = Field(default_factory=dict)
    """Fields of Shape that differ from its defaults."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """How much of the corpus it reads, from the beginning."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of initial weights and data order."""


class FetchParams(BaseModel):
    """A model from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What it is called; shown in folder names and progress."""
    source: str = ""
    """A folder in Hugging Face's layout, or a repository on the Hub such as huggyllama/llama-7b."""
    revision: str = ""
    """Of a repository: the commit, 40 characters. A branch may hold another model tomorrow."""
    seen: str = ""
    """Of a folder: what stood for its content when the run was declared, so that a changed one is taken anew."""


class Params(BaseModel):
    """The study's fine-tuning. Fields of Recipe are described in `loop`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The imitator's name; shown in folder names and progress."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Fields of Recipe that differ from its defaults."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the data order."""
    num_dialogues: Annotated[int, Field(gt=0)] | None = None
    """Train on the first so many, as they lie in the data; null = on all."""
    state_seconds: Annotated[float, Field(ge=0.0, json_schema_extra={"identity": False})] = 300.0
    """Between two states that a training killed at any moment goes on from."""
    heldout_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dialogues kept out of training, drawn by a hash of the id; their loss is measured on the way."""
    heldout_points: Annotated[int, Field(gt=0)] = 4
    """Measurements of the held-out loss, evenly spread, the last at the end; one more is made of the base."""
    engine: Annotated[Engine, Field(json_schema_extra={"identity": False})] = "single"
    """single: one process. ddp: each of several holds the model. fsdp: the model is shared out among them. zero1,
    zero2, zero3: the same by DeepSpeed, moments first, then gradients, then weights. tpu: one process on a TPU chip."""
    offload: Annotated[bool, Field(json_schema_extra={"identity": False})] = False
    """zero1, zero2, zero3 only: moments (of zero3 weights too) lie in the host's memory, and steps are made there."""
    processes: Annotated[int, Field(ge=1, json_schema_extra={"identity": False})] = 1
    """On this machine, one a GPU where there are some. Results differ by float noise; states fit any number of them."""
    tensorboard: Annotated[str, Field(json_schema_extra={"identity": False})] = ""
    """Folder for TensorBoard's event files, a subfolder for each training; empty = none are written."""
    keep: Literal["last", "lowest_heldout_loss"] = "last"
    """Which weights become the checkpoint. There is no third choice: a judge that chose would later grade its own."""
    cluster: ClusterParams | None = None
    """Train in a TrainJob on nodes of its own; null = in this process."""

    @field_validator("recipe")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        Recipe.of(given)
        return given

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
    def _offloaded_by_deepspeed(self) -> Params:
        if self.offload and not self.engine.startswith("zero"):
            raise UsageError(
                f"offload is set, and engine {self.engine} keeps everything where it computes",
                expected="engine zero1, zero2 or zero3 with it",
                remedy="set engine: zero3, or leave offload out and set recompute: true in the recipe",
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
    tensorboard: Annotated[str, Field(json_schema_extra={"identity": False})] = ""
    """As in Params."""

    @field_validator("recipe")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        Recipe.of(given)
        return given

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
