"""Kubeflow wrappers of the overlap box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def support(
    dialogues: dsl.Input[dsl.Dataset],
    items: dsl.Input[dsl.Dataset],
    support: dsl.Output[dsl.Dataset],
    params: dict,
    seed: int = 0,
) -> None:
    """Measure how well the imitation data cover every benchmark item."""
    from components.contracts import bind
    from components.overlap import step

    bind.run_task(step.support, locals())
