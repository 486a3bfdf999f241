"""Kubeflow wrappers of the ingest box."""

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


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def ingest_dumps(
    dump: dsl.Input[dsl.Artifact],
    dialogues: dsl.Output[dsl.Dataset],
    removed: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Read, redact, filter and deduplicate other people's conversations."""
    from components.contracts import bind
    from components.ingest import step

    bind.run_task(step.ingest_dumps, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def subset(
    dialogues: dsl.Input[dsl.Dataset],
    subset: dsl.Output[dsl.Dataset],
    outside: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    tokenizer: dsl.Input[dsl.Model] = None,
) -> None:
    """Cut dialogues to a number of imitation tokens; smaller subsets lie within larger ones."""
    from components.contracts import bind
    from components.ingest import step

    bind.run_task(step.subset, locals())
