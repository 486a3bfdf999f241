"""Kubeflow wrappers of the train box."""

from kfp import dsl

from components.contracts import images


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def pretrain(
    corpus_small: dsl.Input[dsl.Dataset],
    corpus_large: dsl.Input[dsl.Dataset],
    corpus_target: dsl.Input[dsl.Dataset],
    corpus_judge: dsl.Input[dsl.Dataset],
    tuning: dsl.Input[dsl.Dataset],
    small: dsl.Output[dsl.Model],
    large: dsl.Output[dsl.Model],
    target: dsl.Output[dsl.Model],
    judge: dsl.Output[dsl.Model],
    curve: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
) -> None:
    """Make the embedded world's bases, target and judge."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.pretrain, locals())


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def pretrain_base(
    corpus: dsl.Input[dsl.Dataset],
    like: dsl.Input[dsl.Model],
    checkpoint: dsl.Output[dsl.Model],
    curve: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
) -> None:
    """Make a base of any size."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.pretrain_base, locals())


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def fetch_checkpoint(
    checkpoint: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Take a model from a folder or the Hugging Face Hub."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.fetch_checkpoint, locals())


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def train(
    dialogues: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    checkpoint: dsl.Output[dsl.Model],
    curve: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
    replay: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Fine-tune a base on imitation data."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.train, locals())


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def train_nested(
    dialogues: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    series: dsl.Output[dsl.Artifact],
    curve: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
    seed: int = 0,
) -> None:
    """Fine-tune a base on growing amounts of nested data, in one pass."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.train_nested, locals())


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def pick_checkpoint(
    series: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Take one checkpoint out of a series."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.pick_checkpoint, locals())


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def interpolate(
    base: dsl.Input[dsl.Model],
    imitator: dsl.Input[dsl.Model],
    checkpoint: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    params: dict,
) -> None:
    """Mix the weights of a base and its imitator."""
    from components.contracts import bind
    from components.train import step

    bind.run_task(step.interpolate, locals())
