"""Kubeflow wrapper of the world box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def build_world(
    corpus_small: dsl.Output[dsl.Dataset],
    corpus_large: dsl.Output[dsl.Dataset],
    corpus_target: dsl.Output[dsl.Dataset],
    corpus_judge: dsl.Output[dsl.Dataset],
    tuning: dsl.Output[dsl.Dataset],
    broad_prompts: dsl.Output[dsl.Dataset],
    local_prompts: dsl.Output[dsl.Dataset],
    heldout: dsl.Output[dsl.Dataset],
    items: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
) -> None:
    """Make the embedded world: what models read, what they are asked, and what is true."""
    from components.contracts import bind
    from components.world import step

    bind.run_task(step.build_world, locals())
