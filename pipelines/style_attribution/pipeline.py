"""One imitator from world to verdict, and beside the verdict: whose are its answers taken for?"""

from typing import Any, NamedTuple

from kfp import dsl

from components.report.component import register
from components.train.component import train
from pipelines.cluster.placement import Placement, label_tasks
from pipelines.study_graph import StudyGraph
from pipelines.study_parts import Dials
from pipelines.study_world import of_world
from pipelines.style_attribution.presets import AttributionConfig

NAME = "style_attribution"


def build(config: AttributionConfig, placement: Placement | None = None) -> Any:
    """The pipeline of a configuration: every constant in it comes from `config`.

    Args:
        config: Parameters of every step.
        placement: Where tasks run on a cluster; None = nothing is asked for (a laptop).
    """

    class Found(NamedTuple):
        Output: dsl.Dataset
        told_apart: dsl.Dataset
        verdict: dsl.Artifact

    @dsl.pipeline(name="style-attribution", description="Are an imitator's answers taken for its target's?")
    def style_attribution(seed: int = 0, policy: dict = {}) -> Found:  # noqa: B006 - kfp wants a literal
        """The question in one run.

        Args:
            seed: Added to the preset's seeds: another world, other models, other samples.
            policy: Keys of the policy that differ from the preset's, such as {"alpha": 0.01}.
        """
        declared = {"pipeline": NAME, "policy": config.report.get("policy", {}), "settings": config.settings}
        record = register(params=declared, seed=seed, policy=policy)
        materials, _ = of_world(config, seed, record)
        graph = StudyGraph(config, materials, Dials(seed, policy, record.outputs["registered"]))
        arm = config.arm
        data = graph.imitation_data(arm.data, arm.share)
        trained = train(
            dialogues=data.checked,
            base=graph.materials.models[arm.base],
            params={**config.train, "name": arm.name},
            seed=seed,
        )
        params = config.imitator(arm.name, title=arm.title, base=arm.base)
        base = graph.measure(arm.base)
        verdict, _ = graph.decide(trained.outputs["checkpoint"], base, data, params, trained.outputs["curve"])
        (asked,) = graph.attributions.asked
        label_tasks()
        if placement is not None:
            placement.apply_to_current_pipeline()
        return Found(asked["attributions"], asked["told_apart"], verdict)

    return style_attribution
