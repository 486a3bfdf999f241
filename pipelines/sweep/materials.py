"""What a sweep begins with, as tasks: the embedded world is made, one's own models and data are fetched."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from components.train.component import fetch_checkpoint, pretrain, pretrain_base
from components.world.component import build_world
from pipelines.study_parts import JUDGE, TARGET, Materials
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.sources import Model, Sources, absolute

LADDER_CORPUS = "corpus_large"
"""Bases of the ladder read growing shares of it."""


def of_world(config: SweepConfig, seed: Any, record: Any) -> tuple[Materials, Mapping[str, Any]]:
    """The embedded world's materials, and the pre-training texts of its bases.

    Args:
        config: Parameters of world, models and ladder.
        seed: The run's.
        record: The task that everything waits for.
    """
    world = build_world(params=config.world, seed=seed).after(record)
    models = pretrain(
        corpus_small=world.outputs["corpus_small"],
        corpus_large=world.outputs["corpus_large"],
        corpus_target=world.outputs["corpus_target"],
        corpus_judge=world.outputs["corpus_judge"],
        tuning=world.outputs["tuning"],
        params=config.pretrain,
        seed=seed,
    )
    made = {name: models.outputs[name] for name in ("small", "large", TARGET, JUDGE)}
    for name, params in config.ladder.items():
        base = pretrain_base(
            corpus=world.outputs[LADDER_CORPUS],
            like=models.outputs["large"],
            params={**params, "name": name},
            seed=seed,
        )
        made[name] = base.outputs["checkpoint"]
    materials = Materials(
        items=world.outputs["items"],
        heldout=world.outputs["heldout"],
        models=made,
        prompts={data: world.outputs[f"{data}_prompts"] for data in ("broad", "local")},
    )
    texts = {name: world.outputs[f"corpus_{name}"] for name in ("small", "large")}
    return materials, texts | dict.fromkeys(config.ladder, world.outputs[LADDER_CORPUS])


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
