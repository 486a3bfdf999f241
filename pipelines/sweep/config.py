"""Everything a sweep depends on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.study_config import Struct, StudySettings
from pipelines.sweep.cells import Sweep
from pipelines.sweep.sources import Sources


class SweepConfig(StudySettings):
    """A study's settings, and its imitators as one sweep."""

    pipeline: Literal["data_scaling", "base_scaling", "local_imitation", "mitigation"]
    """The question that is asked."""
    sweep: Sweep
    """The imitators."""
    sources: Sources | None = None
    """Where models, data and benchmarks come from; null = the embedded world, of which `world` and `pretrain` speak."""
    ladder: dict[str, Struct] = Field(default_factory=dict)
    """Base -> parameters of `pretrain_base`: bases of growing size, beside those that `pretrain` makes."""
    compare_cells: Struct
    """compare_cells."""
    cells_at_once: Annotated[int, Field(ge=0)] = 0
    """Cells that a cluster works on together; 0 = as many as it has room for. A laptop takes one after another."""

    @property
    def settings(self) -> Struct:
        """The parameters of every step; which of the cells a run makes changes none of them."""
        return self.model_dump(
            mode="json",
            exclude={"typical_seconds": True, "cells_at_once": True, "sweep": {"only"}},
            exclude_none=True,
        )
