"""Kubeflow wrapper of the generate box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.GENERATE, install_kfp_package=False)
def generate(
    requests: dsl.Input[dsl.Dataset],
    checkpoint: dsl.Input[dsl.Model],
    completions: dsl.Output[dsl.Dataset],
    choice_scores: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Answer requests with a checkpoint."""
    from components.contracts import bind
    from components.generate import step

    bind.run_task(step.generate, locals())
