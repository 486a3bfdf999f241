"""Kubeflow wrappers of the synthesize box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def ask(prompts: dsl.Input[dsl.Dataset], requests: dsl.Output[dsl.Dataset], params: dict, seed: int = 0) -> None:
    """Turn prompts into requests for the target."""
    from components.contracts import bind
    from components.synthesize import step

    bind.run_task(step.ask, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def synthesize(
    dialogues: dsl.Output[dsl.Dataset],
    removed: dsl.Output[dsl.Dataset],
    replies: dsl.Output[dsl.Dataset],
    raw_replies: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
) -> None:
    """Have a target behind an API make examples of a task."""
    from components.contracts import bind
    from components.synthesize import step

    bind.run_task(step.synthesize, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def compose(requests: dsl.Output[dsl.Dataset], params: dict, seed: int = 0) -> None:
    """One round of a task's prompts for a target that generate runs."""
    from components.contracts import bind
    from components.synthesize import step

    bind.run_task(step.compose, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def collect_examples(
    requests: dsl.Input[dsl.Dataset],
    replies: dsl.Input[dsl.Dataset],
    dialogues: dsl.Output[dsl.Dataset],
    removed: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Read the replies to a round of prompts."""
    from components.contracts import bind
    from components.synthesize import step

    bind.run_task(step.collect_examples, locals())
