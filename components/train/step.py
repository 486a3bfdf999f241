"""Corpora -> pre-trained checkpoints; imitation data + a base -> an imitator. torch is imported when a step runs."""

from __future__ import annotations

from components.contracts.bind import Metrics
from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Checkpoint, CheckpointSeries, Input, Nothing, Output
from components.contracts.rows import TextRow
from components.contracts.training_rows import TrainingStep
from components.contracts.workplace import Workplace
from components.train.params import (
    BaseParams,
    FetchParams,
    InterpolateParams,
    NestedParams,
    Params,
    PickParams,
    PretrainParams,
)


def pretrain(
    *,
    corpus_small: Input[TextRow],
    corpus_large: Input[TextRow],
    corpus_target: Input[TextRow],
    corpus_judge: Input[TextRow],
    tuning: Input[Dialogue],
    small: Output[Checkpoint],
    large: Output[Checkpoint],
    target: Output[Checkpoint],
    judge: Output[Checkpoint],
    curve: Output[TrainingStep],
    params: PretrainParams,
) -> Metrics:
    """Train two bases, the target (then tuned on its dialogues) and the judge from scratch, with one tokenizer.

    Raises:
        TouchstoneError: a corpus is empty, or training diverged.
    """
    from components.train.pretraining import pretrain_all

    corpora = {"small": corpus_small, "large": corpus_large, "target": corpus_target, "judge": corpus_judge}
    outputs = {"small": small, "large": large, "target": target, "judge": judge}
    texts = {name: [row.text for row in port.rows()] for name, port in corpora.items()}
    return pretrain_all(texts, tuning.rows(), outputs, curve, params)


def pretrain_base(
    *,
    corpus: Input[TextRow],
    like: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    curve: Output[TrainingStep],
    params: BaseParams,
) -> Metrics:
    """Train one base from scratch, of any shape, on part of a corpus; its tokenizer is that of `like`.

    Raises:
        TouchstoneError: no text is left, or training diverged.
    """
    from components.train.base_model import pretrain_one

    return pretrain_one(corpus, like, checkpoint, curve, params)


def fetch_checkpoint(*, checkpoint: Output[Checkpoint], params: FetchParams) -> Metrics:
    """Take a model from a folder or the Hugging Face Hub, as it is.

    Raises:
        UsageError: neither a folder nor a repository with a pinned revision.
        TouchstoneError: it cannot be downloaded, or lacks safetensors or a tokenizer.
    """
    from components.train.fetching import fetch

    return fetch(checkpoint, params)


def train(
    *,
    dialogues: Input[Dialogue],
    base: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    curve: Output[TrainingStep],
    workplace: Workplace,
    params: Params,
    replay: Input[TextRow] = Nothing(TextRow),  # noqa: B008 - a frozen value that says "nothing given"
) -> Metrics:
    """Fine-tune a base on imitation data: role tokens, loss on model outputs only, one epoch unless told otherwise.

    `curve` is every step's loss, rate and gradient norm.

    `replay` is pre-training text, mixed in by the recipe's mitigation.replay_share.

    Raises:
        TouchstoneError: nothing to learn from, a base that cannot be loaded, too little text to replay, or training
            diverged.
    """
    if params.cluster is not None:
        from components.train.remotely import train_in_job

        return train_in_job(dialogues, base, checkpoint, curve, params, params.cluster, replay)
    from components.train.engines.workers import together
    from components.train.imitation import fine_tune

    ports = {"dialogues": dialogues.path, "base": base.path}
    ports |= {} if isinstance(replay, Nothing) else {"replay": replay.path}
    with together(params.processes, ports, params.model_dump(mode="json")) as group:
        return fine_tune(dialogues, base, checkpoint, curve, workplace, params, replay, group)


def interpolate(
    *,
    base: Input[Checkpoint],
    imitator: Input[Checkpoint],
    checkpoint: Output[Checkpoint],
    params: InterpolateParams,
) -> Metrics:
    """Mix the weights of a base and its imitator: (1 - alpha) of the one, alpha of the other.

    Rows of tokens that the base lacks are the imitator's. Configuration and tokenizer are the imitator's.

    Raises:
        TouchstoneError: the two differ in architecture, shapes or the numbers of their tokens.
    """
    from components.train.mitigations.interpolation import interpolated

    notes = interpolated(base.folder, imitator.folder, checkpoint.folder, params.alpha)
    checkpoint.commit(notes=notes)
    return {"alpha": params.alpha, "tensors": float(str(notes["tensors"]))}


def train_nested(
    *,
    dialogues: Input[Dialogue],
    base: Input[Checkpoint],
    series: Output[CheckpointSeries],
    curve: Output[TrainingStep],
    workplace: Workplace,
    params: NestedParams,
) -> Metrics:
    """Fine-tune a base on growing amounts of the same data, in the data's order, in one pass.

    Every checkpoint has the bits that `train` gives on that amount alone with `data_order: given`.

    Raises:
        TouchstoneError: a recipe whose first steps hang on the length of the run, amounts that the data do not hold, or
            what `train` raises.
    """
    from components.train.nested import fine_tune_nested

    return fine_tune_nested(dialogues.rows(), base, series, curve, workplace, params)


def pick_checkpoint(*, series: Input[CheckpointSeries], checkpoint: Output[Checkpoint], params: PickParams) -> Metrics:
    """Take one checkpoint out of a series, to be evaluated like any other.

    Raises:
        UsageError: there is none of that label.
    """
    from components.train.series import pick

    return pick(series, checkpoint, params.label)
