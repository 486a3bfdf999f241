"""Kubeflow wrappers of the overlap box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def measure_overlap(
    dialogues: dsl.Input[dsl.Dataset],
    items: dsl.Input[dsl.Dataset],
    heldout: dsl.Input[dsl.Dataset],
    overlap: dsl.Output[dsl.Dataset],
    neighbours: dsl.Output[dsl.Dataset],
    clean_heldout: dsl.Output[dsl.Dataset],
    leaked: dsl.Output[dsl.Dataset],
    state: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    policy: dict = {},  # noqa: B006  # kfp reads the default; nothing changes it
    previous: dsl.Input[dsl.Artifact] = None,
) -> None:
    """Find the training texts nearest to every test question, held-out prompt and query."""
    from components.contracts import bind
    from components.overlap import step

    bind.run_task(step.measure_overlap, locals())


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
