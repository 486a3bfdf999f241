"""The embedded world and its models as tasks: what a study begins with when nothing is given."""

from typing import Any

from components.train.component import pretrain
from components.world.component import build_world
from pipelines.study_config import StudySettings
from pipelines.study_parts import JUDGE, TARGET, Materials

BASES = ("small", "large")


def of_world(config: StudySettings, seed: Any, record: Any) -> tuple[Materials, dict[str, Any]]:
    """The world's materials, and the pre-training texts of its bases.

    Args:
        config: Parameters of world and models.
        seed: The run's.
        record: The task that everything waits for.
    """
    world = build_world(params=config.world, seed=seed).after(record)
    corpora = {f"corpus_{name}": world.outputs[f"corpus_{name}"] for name in (*BASES, TARGET, JUDGE)}
    models = pretrain(**corpora, tuning=world.outputs["tuning"], params=config.pretrain, seed=seed)
    materials = Materials(
        items=world.outputs["items"],
        heldout=world.outputs["heldout"],
        models={name: models.outputs[name] for name in (*BASES, TARGET, JUDGE)},
        prompts={data: world.outputs[f"{data}_prompts"] for data in ("broad", "local")},
    )
    return materials, {name: corpora[f"corpus_{name}"] for name in BASES}
