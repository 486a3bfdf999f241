"""A sweep as a kfp pipeline; the four questions differ in their configuration alone."""

from typing import Any

from kfp import dsl

from components.report.component import compare_cells, register
from pipelines.cluster.placement import Placement, label_tasks
from pipelines.study_graph import StudyGraph
from pipelines.study_parts import Dials
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.graph import SweepGraph
from pipelines.sweep.materials import of_sources, of_world


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
        made = of_world(config, seed, record) if config.sources is None else of_sources(config.sources, record)
        materials, texts = made
        study = StudyGraph(config, materials, Dials(seed, policy, record.outputs["registered"]))
        gathered = SweepGraph(config, study, texts).add()
        compared = compare_cells(cells=gathered.outputs["cells"], params=config.compare_cells)
        # Quick to make again, and what it finds in the store names the run's report.
        compared.set_caching_options(enable_caching=False)
        label_tasks()
        if placement is not None:
            placement.apply_to_current_pipeline()
        return compared.outputs["study"]

    return sweep
