"""Kubeflow wrappers of the placebo box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare_stylistic(
    prompts: dsl.Input[dsl.Dataset],
    requests: dsl.Output[dsl.Dataset],
    params: dict,
    seed: int = 0,
    target: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Ask the base for answers in an assistant's style."""
    from components.contracts import bind
    from components.placebo import step

    bind.run_task(step.prepare_stylistic, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def make_placebos(
    base: dsl.Input[dsl.Dataset],
    target: dsl.Input[dsl.Dataset],
    restyled_base: dsl.Output[dsl.Dataset],
    stylistic_base: dsl.Output[dsl.Dataset],
    corrupted_target: dsl.Output[dsl.Dataset],
    constant: dsl.Output[dsl.Dataset],
    alterations: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
    stylistic: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Make answers that must not win."""
    from components.contracts import bind
    from components.placebo import step

    bind.run_task(step.make_placebos, locals())
