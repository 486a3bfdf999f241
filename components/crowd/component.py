"""Kubeflow wrappers of the crowd box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def build_study(
    candidate: dsl.Input[dsl.Dataset],
    reference: dsl.Input[dsl.Dataset],
    study: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    restyled_base: dsl.Input[dsl.Dataset] = None,
    stylistic_base: dsl.Input[dsl.Dataset] = None,
    corrupted_target: dsl.Input[dsl.Dataset] = None,
    constant: dsl.Input[dsl.Dataset] = None,
    gold: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Pair the answers of two models for people to compare."""
    from components.contracts import bind
    from components.crowd import step

    bind.run_task(step.build_study, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def publish(
    study: dsl.Input[dsl.Dataset],
    hits: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Put a study before raters."""
    from components.contracts import bind
    from components.crowd import step

    bind.run_task(step.publish, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def collect(
    study: dsl.Input[dsl.Dataset],
    judgments: dsl.Output[dsl.Dataset],
    pay: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    hits: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Take in what people said so far; close and pay what is over."""
    from components.contracts import bind
    from components.crowd import step

    bind.run_task(step.collect, locals())
