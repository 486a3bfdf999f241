"""Are an imitator's answers taken for its target's, while its capability stays its base's?"""

from __future__ import annotations

from pipelines.imitation_audit import presets as study
from pipelines.imitation_audit.presets import Arm
from pipelines.study_config import StudySettings


class AttributionConfig(StudySettings):
    """The study's settings, attribution among them, and one imitator."""

    arm: Arm
    """The imitator."""


def smoke(*, seed: int = 0, plain: bool = False) -> AttributionConfig:
    """Broad imitation on a small base, on two CPU cores in a few minutes; seeded; `plain` = target without style."""
    return _of(study.smoke(seed=seed, plain=plain))


def dry_run(*, seed: int = 0, plain: bool = False) -> AttributionConfig:
    """Every step of `smoke` at toy size, in a minute: shows that all fits together; its numbers mean nothing."""
    return _of(study.dry_run(seed=seed, plain=plain))


def _of(settings: StudySettings) -> AttributionConfig:
    shared = {name: getattr(settings, name) for name in StudySettings.model_fields}
    return AttributionConfig(**shared, arm=study.ARMS[0])


PRESETS = {"smoke": smoke, "dry_run": dry_run}
