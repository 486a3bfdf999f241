"""The graph of this question: a sweep."""

from typing import Any

from pipelines.cluster.placement import Placement
from pipelines.data_scaling import presets
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.pipeline import build_sweep


def build(config: SweepConfig, placement: Placement | None = None) -> Any:
    """The pipeline of a configuration."""
    return build_sweep(config, str(presets.__doc__).splitlines()[0], placement)
