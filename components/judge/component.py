"""Kubeflow wrappers of the judge box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare_judging(
    candidate: dsl.Input[dsl.Dataset],
    reference: dsl.Input[dsl.Dataset],
    requests: dsl.Output[dsl.Dataset],
    params: dict,
) -> None:
    """Ask the judge's checkpoint how likely each answer is."""
    from components.contracts import bind
    from components.judge import step

    bind.run_task(step.prepare_judging, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def judge_likelihood(
    candidate: dsl.Input[dsl.Dataset],
    reference: dsl.Input[dsl.Dataset],
    choice_scores: dsl.Input[dsl.Dataset],
    judgments: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Prefer the answer the judge finds more likely."""
    from components.contracts import bind
    from components.judge import step

    bind.run_task(step.judge_likelihood, locals())
