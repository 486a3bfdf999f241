"""Kubeflow wrapper of the validate box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def validate(
    dialogues: dsl.Input[dsl.Dataset],
    items: dsl.Input[dsl.Dataset],
    heldout: dsl.Input[dsl.Dataset],
    checked: dsl.Output[dsl.Dataset],
    checks: dsl.Output[dsl.Dataset],
    figures: dsl.Output[dsl.Dataset],
    docs: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    removed: dsl.Input[dsl.Dataset] = None,
    overlap: dsl.Input[dsl.Dataset] = None,
    neighbours: dsl.Input[dsl.Dataset] = None,
    review: dsl.Input[dsl.Dataset] = None,
    seed: int = 0,
    policy: dict = {},  # noqa: B006 - kfp wants a literal
) -> None:
    """Hold imitation data against a Great Expectations suite; bad data stop the run here."""
    from components.contracts import bind
    from components.validate import step

    bind.run_task(step.validate, locals())
