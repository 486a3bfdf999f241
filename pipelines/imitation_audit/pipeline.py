"""The study as a graph: one world, two bases, one target, four imitators, one comparison."""

from typing import Any

from kfp import dsl

from components.report.component import compare, register
from components.train.component import train
from pipelines.cluster.placement import Placement, label_tasks
from pipelines.imitation_audit.presets import Arm, StudyConfig
from pipelines.study_graph import StudyGraph
from pipelines.study_parts import Dials, Measured
from pipelines.study_world import of_world

NAME = "imitation_audit"


def build(config: StudyConfig, placement: Placement | None = None) -> Any:
    """The pipeline of a configuration: every constant in it comes from `config`.

    Args:
        config: Parameters of every step.
        placement: Where tasks run on a cluster; None = nothing is asked for (a laptop).
    """

    @dsl.pipeline(name="imitation-audit", description="Did imitation bring capability, or only style?")
    def imitation_audit(seed: int = 0, policy: dict = {}) -> dsl.Artifact:  # noqa: B006 - kfp wants a literal
        """The study in one run.

        Args:
            seed: Added to the preset's seeds: another world, other models, other samples.
            policy: Keys of the policy that differ from the preset's, such as {"alpha": 0.01}.
        """
        declared = {"pipeline": NAME, "policy": config.report.get("policy", {}), "settings": config.settings}
        record = register(params=declared, seed=seed, policy=policy)
        materials, _ = of_world(config, seed, record)
        graph = StudyGraph(config, materials, Dials(seed, policy, record.outputs["registered"]))
        arms = {arm.name: _arm(graph, arm) for arm in config.arms}
        compared = compare(
            **{name: verdict for name, (verdict, _) in arms.items()},
            **{f"{name}_scores": arms[name][1].scores for name in ("broad", "broad_less", "larger_base")},
            params=config.compare,
        )
        # Quick to make again, and what it finds in the store names the run's report.
        compared.set_caching_options(enable_caching=False)
        label_tasks()
        if placement is not None:
            placement.apply_to_current_pipeline()
        return compared.outputs["study"]

    return imitation_audit


def _arm(graph: StudyGraph, arm: Arm) -> tuple[Any, Measured]:
    data = graph.imitation_data(arm.data, arm.share)
    trained = train(
        dialogues=data.checked,
        base=graph.materials.models[arm.base],
        params={**graph.config.train, "name": arm.name},
        seed=graph.dials.seed,
    )
    params = graph.config.imitator(arm.name, title=arm.title, base=arm.base)
    return graph.decide(trained.outputs["checkpoint"], graph.measure(arm.base), data, params, trained.outputs["curve"])
