"""Are an imitator's answers taken for its target's, while its capability stays its base's?"""

from __future__ import annotations

from pipelines.imitation_audit import presets as study
from pipelines.imitation_audit.presets import Arm
from pipelines.study_config import Struct, StudySettings


class AttributionConfig(StudySettings):
    """The study's settings, one imitator, and whose answers are told from whose."""

    arm: Arm
    """The imitator."""
    embed: Struct
    """embed; the model is the embedded world's judge, which wrote none of the answers."""
    attribute: Struct
    """attribute: base and target as candidates."""
    told_apart: Struct
    """attribute: imitator and target as candidates."""


def smoke(*, seed: int = 0, plain: bool = False) -> AttributionConfig:
    """Broad imitation on a small base, on two CPU cores in a few minutes; seeded; `plain` = target without style."""
    return _of(study.smoke(seed=seed, plain=plain), seed)


def dry_run(*, seed: int = 0, plain: bool = False) -> AttributionConfig:
    """Every step of `smoke` at toy size, in a minute: shows that all fits together; its numbers mean nothing."""
    return _of(study.dry_run(seed=seed, plain=plain), seed)


def _of(settings: StudySettings, seed: int) -> AttributionConfig:
    shared = {name: getattr(settings, name) for name in StudySettings.model_fields}
    return AttributionConfig(
        **shared,
        arm=study.ARMS[0],
        embed={"name": "judge"},
        # UMAP compiles itself for half a minute in every process: not in a run that is to be quick.
        attribute=_attribute("base or target", ["base", "target"], seed),
        told_apart=_attribute("imitator or target", ["imitator", "target"], seed),
    )


def _attribute(name: str, candidates: list[str], seed: int) -> Struct:
    classifiers = ["embedding", "char_ngrams", "frequent_words", "surface", "majority"]
    return {"name": name, "candidates": candidates, "classifiers": classifiers, "map": False, "seed": seed}


PRESETS = {"smoke": smoke, "dry_run": dry_run}
