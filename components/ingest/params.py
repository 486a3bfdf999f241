"""Parameters of the steps."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts.dialogue_rows import IsoDate, Terms
from components.ingest.cleaning_rules import CleaningRules
from components.ingest.reading.sources import Limits


class Params(BaseModel):
    """Which replies enter."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What these data are called in folder names."""
    source: str = "target_samples"
    """Name of the prompt set, written into every dialogue's passport; support is asked for each source alone."""
    target_date: IsoDate = ""
    """The target's version date, for the passports."""
    terms: Terms = "unknown"
    """Whether the target's terms allow training on its replies, for the passports."""
    keep_cut: bool = False
    """Keep replies that ended at max_tokens. The imitator would learn to stop in mid-sentence."""
    num_dialogues: Annotated[int, Field(ge=1)] | None = None
    """Size of the subset; null = all. Smaller subsets lie within larger ones of the same data and seed."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Size of the subset as a share of what is left after cleaning; the alternative to num_dialogues."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Which subset."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.num_dialogues is not None and self.share != 1.0:
            raise ValueError("give num_dialogues or share, not both")
        return self


class DumpParams(CleaningRules):
    """What of a dump enters."""

    name: str = ""
    """What these data are called in folder names."""
    limits: Limits = Limits()
    """How much of a strange file is looked at."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the order of the dialogues; the same seed in `subset` gives prefixes of it."""
    workers: Annotated[int, Field(ge=1)] | None = Field(None, json_schema_extra={"identity": False})
    """Processes that clean; null = as many as the machine has cores. The result is the same."""


class SubsetParams(BaseModel):
    """Which part of the dialogues."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What the subset is called in folder names."""
    max_tokens: Annotated[int, Field(ge=1)]
    """Imitation tokens (of the assistant turns, under the base's tokenizer) that are never passed."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Which subset; of one seed, the smaller lies within the larger."""
