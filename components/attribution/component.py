"""Kubeflow wrappers of the attribution box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare_attribution(
    base: dsl.Input[dsl.Dataset],
    imitator: dsl.Input[dsl.Dataset],
    target: dsl.Input[dsl.Dataset],
    texts: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    target_second: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Put the answers of a comparison together by author."""
    from components.attribution import step
    from components.contracts import bind

    bind.run_task(step.prepare_attribution, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def attribute(
    texts: dsl.Input[dsl.Dataset],
    attribution: dsl.Output[dsl.Dataset],
    attributed: dsl.Output[dsl.Dataset],
    told_apart: dsl.Output[dsl.Dataset],
    told_apart_texts: dsl.Output[dsl.Dataset],
    points: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
    embeddings: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Say whose hand each text seems to be."""
    from components.attribution import step
    from components.contracts import bind

    bind.run_task(step.attribute, locals())
