"""Kubeflow wrapper of the ingest box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def ingest(
    replies: dsl.Input[dsl.Dataset],
    dialogues: dsl.Output[dsl.Dataset],
    removed: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Turn the target's raw replies into imitation data; what does not enter is kept aside with its reason."""
    from components.contracts import bind
    from components.ingest import step

    bind.run_task(step.ingest, locals())
