"""What a sweep begins with, as tasks: the embedded world is made, one's own models and data are fetched."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from components.train.component import fetch_checkpoint, pretrain_base
from pipelines import study_world
from pipelines.study_parts import JUDGE, TARGET, Materials
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.sources import Model, Sources, absolute

LADDER_TEXTS = "large"
"""Bases of the ladder read growing shares of this base's texts, by its tokenizer."""


def of_world(config: SweepConfig, seed: Any, record: Any) -> tuple[Materials, Mapping[str, Any]]:
    """The embedded world's materials, and the pre-training texts of its bases.

    Args:
        config: Parameters of world, models and ladder.
        seed: The run's.
        record: The task that everything waits for.
    """
    materials, texts = study_world.of_world(config, seed, record)
    made = dict(materials.models)
    for name, params in config.ladder.items():
        base = pretrain_base(
            corpus=texts[LADDER_TEXTS],
            like=materials.models[LADDER_TEXTS],
            params={**params, "name": name},
            seed=seed,
        )
        made[name] = base.outputs["checkpoint"]
    return materials._replace(models=made), texts | dict.fromkeys(config.ladder, texts[LADDER_TEXTS])


def of_sources(sources: Sources, record: Any) -> tuple[Materials, Mapping[str, Any]]:
    """Materials that a person has, and the pre-training texts of the bases that have some.

    Args:
        sources: Where they are.
        record: The task that everything waits for.
    """
    declared = {**sources.bases, TARGET: sources.target}
    if sources.judge is not None:
        declared[JUDGE] = sources.judge
    materials = Materials(
        items=_rows(sources.items, record),
        heldout=_rows(sources.heldout, record),
        models={name: _model(name, model, record) for name, model in declared.items()},
        dialogues={name: _rows(place, record) for name, place in sources.dialogues.items()},
        generating={name: model.generate for name, model in declared.items() if model.generate},
    )
    return materials, {name: _rows(place, record) for name, place in sources.texts.items()}


def _model(name: str, model: Model, record: Any) -> Any:
    if model.artifact:
        imported = dsl.importer(artifact_uri=absolute(model.artifact), artifact_class=dsl.Model, reimport=False)
        return imported.after(record).output
    if not model.source:
        return None
    return fetch_checkpoint(params=model.fetching(name)).after(record).outputs["checkpoint"]


def _rows(place: str, record: Any) -> Any:
    imported = dsl.importer(artifact_uri=absolute(place), artifact_class=dsl.Dataset, reimport=False)
    return imported.after(record).output
