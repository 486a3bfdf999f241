"""What the sweeps' presets have in common: the laptop study, trained so that amounts of data can share a pass."""

from __future__ import annotations

from typing import Any

from pipelines.imitation_audit import presets as study
from pipelines.study_config import Struct, StudySettings

SMOKE_SECONDS = {"build_world": 3.0, "pretrain": 65.0, "pretrain_base": 20.0, "train": 14.0, "train_nested": 20.0}


def smoke_settings(title: str, *, seed: int, plain: bool) -> Struct:
    """The laptop study's settings, for a sweep."""
    return _of(study.smoke(seed=seed, plain=plain), title, warmup=20)


def dry_settings(title: str, *, seed: int, plain: bool) -> Struct:
    """The same at toy size."""
    return _of(study.dry_run(seed=seed, plain=plain), title, warmup=2)


def _of(config: study.StudyConfig, title: str, *, warmup: int) -> Struct:
    values: dict[str, Any] = {name: getattr(config, name) for name in StudySettings.model_fields}
    # A rate that does not hang on the run's length, and the data's own order: every amount begins with the same steps.
    steady = {"schedule": "constant", "warmup_steps": warmup, "data_order": "given"}
    recipe = {**config.train["recipe"], **steady}
    return {
        **values,
        "train": {**config.train, "recipe": recipe},
        # Style curves say it for every cell; a preset of one's own may ask.
        "attribution": None,
        "compare_cells": {"title": title, "policy": config.report.get("policy", {})},
        "typical_seconds": {**config.typical_seconds, **SMOKE_SECONDS},
    }
