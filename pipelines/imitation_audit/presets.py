"""Did a model that imitates a stronger one gain capability, or only style?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Struct = dict[str, Any]


class Arm(BaseModel):
    """One imitator: which base, trained on which of the target's replies."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Short name, used in folders and tables."""
    title: str
    """What was trained on what, as a heading."""
    base: str
    """A base that `pretrain` makes: small or large."""
    data: str
    """Which prompts the target answered: broad or local."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Nested subset of the replies that is used."""

    @property
    def models(self) -> dict[str, str]:
        """Role -> name."""
        return {"base": self.base, "imitator": self.name, "target": "target", "target_second": "target_second"}


class StudyConfig(BaseModel):
    """Everything a run depends on. Each struct holds the parameters of the step it is named after."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    world: Struct
    """build_world."""
    pretrain: Struct
    """pretrain."""
    ask: Struct
    """ask: how the target is sampled for imitation data."""
    validate_data: Struct
    """validate: data-quality thresholds."""
    train: Struct
    """train."""
    prepare: Struct
    """prepare: prompts of benchmarks and held-out questions."""
    second_sample: Struct
    """Changes to `prepare` for the target's second sample, the ceiling of style."""
    generate: Struct
    """generate."""
    score: Struct
    """score."""
    support: Struct
    """support."""
    report: Struct
    """report: policy, resamples, seed."""
    compare: Struct
    """compare."""
    arms: tuple[Arm, ...]
    """The imitators."""
    typical_seconds: Mapping[str, float]
    """Measured duration of each step on two cores, for the progress bar only."""
