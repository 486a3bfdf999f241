"""Kubeflow wrappers of the report box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def register(
    registered: dsl.Output[dsl.Dataset],
    params: dict,
    seed: int = 0,
    policy: dict = {},  # noqa: B006 - kfp wants a literal
) -> None:
    """Put the rules and settings of a run on record before anything is trained or scored."""
    from components.contracts import bind
    from components.report import step

    bind.run_task(step.register, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def report(
    result: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    base_scores: dsl.Input[dsl.Dataset] = None,
    imitator_scores: dsl.Input[dsl.Dataset] = None,
    target_scores: dsl.Input[dsl.Dataset] = None,
    base_variants: dsl.Input[dsl.Dataset] = None,
    imitator_variants: dsl.Input[dsl.Dataset] = None,
    published: dsl.Input[dsl.Dataset] = None,
    profiles: dsl.Input[dsl.Dataset] = None,
    published_style: dsl.Input[dsl.Dataset] = None,
    judgments: dsl.Input[dsl.Dataset] = None,
    placebo_judgments: dsl.Input[dsl.Dataset] = None,
    features: dsl.Input[dsl.Dataset] = None,
    gold: dsl.Input[dsl.Dataset] = None,
    base_tones: dsl.Input[dsl.Dataset] = None,
    imitator_tones: dsl.Input[dsl.Dataset] = None,
    target_tones: dsl.Input[dsl.Dataset] = None,
    support: dsl.Input[dsl.Dataset] = None,
    claims: dsl.Input[dsl.Dataset] = None,
    figures: dsl.Input[dsl.Dataset] = None,
    checks: dsl.Input[dsl.Dataset] = None,
    overlap: dsl.Input[dsl.Dataset] = None,
    curve: dsl.Input[dsl.Dataset] = None,
    base_replies: dsl.Input[dsl.Dataset] = None,
    imitator_replies: dsl.Input[dsl.Dataset] = None,
    target_replies: dsl.Input[dsl.Dataset] = None,
    items: dsl.Input[dsl.Dataset] = None,
    attributions: dsl.Input[dsl.Dataset] = None,
    told_apart: dsl.Input[dsl.Dataset] = None,
    registered: dsl.Input[dsl.Dataset] = None,
    seed: int = 0,
    policy: dict = {},  # noqa: B006 - kfp wants a literal
) -> None:
    """Decide, and write verdict.json, report.html and report.md."""
    from components.contracts import bind
    from components.report import step, ui_page

    bind.run_task(step.report, locals())
    ui_page.show_page(result, page)


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def compare(
    broad: dsl.Input[dsl.Artifact],
    broad_less: dsl.Input[dsl.Artifact],
    local: dsl.Input[dsl.Artifact],
    larger_base: dsl.Input[dsl.Artifact],
    broad_scores: dsl.Input[dsl.Dataset],
    broad_less_scores: dsl.Input[dsl.Dataset],
    larger_base_scores: dsl.Input[dsl.Dataset],
    study: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Put the study's arms side by side."""
    from components.contracts import bind
    from components.report import step, ui_page

    bind.run_task(step.compare, locals())
    ui_page.show_page(study, page)


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def gather_cells(
    reports: dsl.Input[list[dsl.Artifact]],
    scores: dsl.Input[list[dsl.Dataset]],
    base: dsl.Input[dsl.Model],
    base_scores: dsl.Input[dsl.Dataset],
    target_scores: dsl.Input[dsl.Dataset],
    cells: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    earlier: dsl.Input[dsl.Artifact] = None,
) -> None:
    """Put the finished cells of a loop beside those of the loops before."""
    from components.contracts import bind
    from components.report import step

    bind.run_task(step.gather_cells, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def compare_cells(
    cells: dsl.Input[dsl.Artifact],
    study: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Set the cells of a sweep side by side."""
    from components.contracts import bind
    from components.report import step, ui_page

    bind.run_task(step.compare_cells, locals())
    ui_page.show_page(study, page)
