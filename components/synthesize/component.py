"""Kubeflow wrapper of the synthesize box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def ask(prompts: dsl.Input[dsl.Dataset], requests: dsl.Output[dsl.Dataset], params: dict, seed: int = 0) -> None:
    """Turn prompts into requests for the target."""
    from components.contracts import bind
    from components.synthesize import step

    bind.run_task(step.ask, locals())
