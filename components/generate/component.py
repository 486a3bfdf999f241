"""Kubeflow wrappers of the generate box."""

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
    recorded_completions: dsl.Input[dsl.Dataset] = None,
    recorded_choice_scores: dsl.Input[dsl.Dataset] = None,
    recorded_text_scores: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Answer requests with a checkpoint or a server."""
    from components.contracts import bind
    from components.generate import step

    bind.run_task(step.generate, locals())


@dsl.component(base_image=images.GENERATE, install_kfp_package=False)
def classify(
    completions: dsl.Input[dsl.Dataset],
    checkpoint: dsl.Input[dsl.Model],
    ratings: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Rate completions with a text classifier."""
    from components.contracts import bind
    from components.generate import step

    bind.run_task(step.classify, locals())


@dsl.component(base_image=images.GENERATE, install_kfp_package=False)
def embed(
    texts: dsl.Input[dsl.Dataset],
    checkpoint: dsl.Input[dsl.Model],
    embeddings: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Average a model's hidden states over every text."""
    from components.contracts import bind
    from components.generate import step

    bind.run_task(step.embed, locals())
