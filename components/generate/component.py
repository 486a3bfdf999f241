"""Kubeflow wrapper of the generate box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.GENERATE, install_kfp_package=False)
def generate(
    requests: dsl.Input[dsl.Dataset],
    completions: dsl.Output[dsl.Dataset],
    choice_scores: dsl.Output[dsl.Dataset],
    text_scores: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    checkpoint: dsl.Input[dsl.Model] = None,
) -> None:
    """Answer requests with a checkpoint or a server."""
    from components.contracts import bind
    from components.generate import step

    bind.run_task(step.generate, locals())
