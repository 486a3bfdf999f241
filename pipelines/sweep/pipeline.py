"""A sweep on the embedded world as a kfp pipeline; the four questions differ in their configuration alone."""

from typing import Any

from kfp import dsl

from components.report.component import compare_cells, register
from components.train.component import pretrain, pretrain_base
from components.world.component import build_world
from pipelines.cluster.placement import Placement, label_tasks
from pipelines.study_graph import Dials, Materials, StudyGraph
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.graph import SweepGraph

LADDER_CORPUS = "corpus_large"
"""Bases of the ladder read growing shares of it."""


def build_sweep(config: SweepConfig, question: str, placement: Placement | None = None) -> Any:
    """The pipeline of a configuration.

    Args:
        config: The sweep and the parameters of every step.
        question: One line, shown in the Kubeflow UI.
        placement: Where tasks run on a cluster; None = nothing is asked for (a laptop).
    """

    @dsl.pipeline(name=config.pipeline.replace("_", "-"), description=question)
    def sweep(seed: int = 0, policy: dict = {}) -> dsl.Artifact:  # noqa: B006 - kfp wants a literal
        """Every cell of a sweep in one run.

        Args:
            seed: Added to the preset's seeds: another world, other models, other samples.
            policy: Keys of the policy that differ from the preset's, such as {"alpha": 0.01}.
        """
        declared = {"pipeline": config.pipeline, "policy": config.report.get("policy", {}), "settings": config.settings}
        record = register(params=declared, seed=seed, policy=policy)
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
        materials = _materials(config, world, models, seed)
        study = StudyGraph(config, materials, Dials(seed, policy, record.outputs["registered"]))
        texts = {name: world.outputs[f"corpus_{name}"] for name in ("small", "large")}
        texts |= dict.fromkeys(config.ladder, world.outputs[LADDER_CORPUS])
        gathered = SweepGraph(config, study, texts).add()
        compared = compare_cells(cells=gathered.outputs["cells"], params=config.compare_cells)
        # Quick to make again, and what it finds in the store names the run's report.
        compared.set_caching_options(enable_caching=False)
        label_tasks()
        if placement is not None:
            placement.apply_to_current_pipeline()
        return compared.outputs["study"]

    return sweep


def _materials(config: SweepConfig, world: Any, models: Any, seed: Any) -> Materials:
    made = {name: models.outputs[name] for name in ("small", "large", "target", "judge")}
    for name, params in config.ladder.items():
        base = pretrain_base(
            corpus=world.outputs[LADDER_CORPUS],
            like=models.outputs["large"],
            params={**params, "name": name},
            seed=seed,
        )
        made[name] = base.outputs["checkpoint"]
    return Materials(
        items=world.outputs["items"],
        heldout=world.outputs["heldout"],
        prompts={data: world.outputs[f"{data}_prompts"] for data in ("broad", "local")},
        models=made,
    )
