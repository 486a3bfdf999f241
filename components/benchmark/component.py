"""Kubeflow wrappers of the benchmark box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare(
    items: dsl.Input[dsl.Dataset],
    heldout: dsl.Input[dsl.Dataset],
    requests: dsl.Output[dsl.Dataset],
    params: dict,
    seed: int = 0,
    base_completions: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Turn benchmark items and held-out prompts into requests."""
    from components.benchmark import step
    from components.contracts import bind

    bind.run_task(step.prepare, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def score(
    items: dsl.Input[dsl.Dataset],
    completions: dsl.Input[dsl.Dataset],
    choice_scores: dsl.Input[dsl.Dataset],
    scores: dsl.Output[dsl.Dataset],
    variants: dsl.Output[dsl.Dataset],
    answers: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
    policy: dict = {},  # noqa: B006  # kfp reads the default; nothing changes it
    outcomes: dsl.Input[dsl.Dataset] = None,
    ratings: dsl.Input[dsl.Dataset] = None,
    overlap: dsl.Input[dsl.Dataset] = None,
    support: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Score a model's answers, item by item."""
    from components.benchmark import step
    from components.contracts import bind

    bind.run_task(step.score, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def rate_toxicity(
    completions: dsl.Input[dsl.Dataset],
    ratings: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    scorer: dsl.Input[dsl.Artifact] = None,
) -> None:
    """Rate the toxicity of completions, and whether they decline."""
    from components.benchmark import step
    from components.contracts import bind

    bind.run_task(step.rate_toxicity, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def run_programs(
    items: dsl.Input[dsl.Dataset],
    completions: dsl.Input[dsl.Dataset],
    outcomes: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Run the programs that a model wrote, in a sandbox."""
    from components.benchmark import step
    from components.contracts import bind

    bind.run_task(step.run_programs, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def calibrate_toxicity(
    scorer: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Train a toxicity scorer on texts with Perspective scores."""
    from components.benchmark import step
    from components.contracts import bind

    bind.run_task(step.calibrate_toxicity, locals())
