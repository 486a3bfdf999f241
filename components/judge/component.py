"""Kubeflow wrappers of the judge box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare_judging(
    candidate: dsl.Input[dsl.Dataset],
    reference: dsl.Input[dsl.Dataset],
    requests: dsl.Output[dsl.Dataset],
    params: dict,
    base: dsl.Input[dsl.Dataset] = None,
    restyled_base: dsl.Input[dsl.Dataset] = None,
    stylistic_base: dsl.Input[dsl.Dataset] = None,
    constant: dsl.Input[dsl.Dataset] = None,
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
    base: dsl.Input[dsl.Dataset] = None,
    restyled_base: dsl.Input[dsl.Dataset] = None,
    stylistic_base: dsl.Input[dsl.Dataset] = None,
    constant: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Prefer the answer the judge finds more likely."""
    from components.contracts import bind
    from components.judge import step

    bind.run_task(step.judge_likelihood, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare_verdicts(
    candidate: dsl.Input[dsl.Dataset],
    reference: dsl.Input[dsl.Dataset],
    requests: dsl.Output[dsl.Dataset],
    pairs: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    base: dsl.Input[dsl.Dataset] = None,
    restyled_base: dsl.Input[dsl.Dataset] = None,
    stylistic_base: dsl.Input[dsl.Dataset] = None,
    corrupted_target: dsl.Input[dsl.Dataset] = None,
    constant: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Put pairs of answers before a judge in both orders."""
    from components.contracts import bind
    from components.judge import step

    bind.run_task(step.prepare_verdicts, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def read_verdicts(
    pairs: dsl.Input[dsl.Dataset],
    completions: dsl.Input[dsl.Dataset],
    judgments: dsl.Output[dsl.Dataset],
    replies: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Read a judge's replies strictly."""
    from components.contracts import bind
    from components.judge import step

    bind.run_task(step.read_verdicts, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def check_drift(
    frozen: dsl.Input[dsl.Dataset],
    judgments: dsl.Input[dsl.Dataset],
    drift: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Hold a judge's judgments against its earlier ones."""
    from components.contracts import bind
    from components.judge import step

    bind.run_task(step.check_drift, locals())
