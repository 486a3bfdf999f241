"""Kubeflow wrappers of the style box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def style(
    base: dsl.Input[dsl.Dataset],
    imitator: dsl.Input[dsl.Dataset],
    target: dsl.Input[dsl.Dataset],
    target_second: dsl.Input[dsl.Dataset],
    profiles: dsl.Output[dsl.Dataset],
    features: dsl.Output[dsl.Dataset],
    params: dict,
) -> None:
    """Set every output's surface style beside the target's."""
    from components.contracts import bind
    from components.style import step

    bind.run_task(step.style, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def describe(completions: dsl.Input[dsl.Dataset], features: dsl.Output[dsl.Dataset], params: dict) -> None:
    """Count the surface of every answer."""
    from components.contracts import bind
    from components.style import step

    bind.run_task(step.describe, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def rate_tone(
    scores: dsl.Input[dsl.Dataset], completions: dsl.Input[dsl.Dataset], tones: dsl.Output[dsl.Dataset]
) -> None:
    """Rate how sure the reply to each scored item sounds."""
    from components.contracts import bind
    from components.style import step

    bind.run_task(step.rate_tone, locals())
