"""A sweep over one's own models, from a YAML file: what it leaves out is the study's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contracts.declaration import validated
from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping
from pipelines.study_config import ATTRIBUTION, Struct
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.sources import check_artifacts

STUDY_RECIPE = {
    "optimizer": "adamw_parameter_scaled",
    "learning_rate": 2e-3,
    "batch_size": 32,
    "block_tokens": 2048,
    "schedule": "constant",
    "warmup_steps": 1000,
    "data_order": "given",
}
"""The study's (method section 2.1), in the data's own order so that amounts can share a pass."""
PLAIN_CHAT = "User: {prompt}\n\nAssistant:"
"""How a message is put to a base, whose checkpoint has no chat template."""
DEFAULTS: Mapping[str, Struct] = {
    "train": {"recipe": STUDY_RECIPE},
    "validate_data": {},
    "overlap": {},
    "support": {},
    "questions": {"styles": ["raw", "chat"], "selection_share": 0.1, "heldout_chat": True},
    "chat": {},
    "second_sample": {"with_items": False, "seed": 1_000_000},
    "stylistic": {},
    "generate": {"plain_chat": PLAIN_CHAT},
    "report": {},
}


def read_config(path: Path, pipeline: str, *, seed: int = 0, only: tuple[str, ...] = ()) -> SweepConfig:
    """The sweep that a file describes.

    Args:
        path: Keys are those of SweepConfig; a struct's keys replace the study's one by one, the recipe's too.
        pipeline: The question, one of the sweeps.
        seed: Of training and sampling.
        only: Cells to make; empty = all.

    Raises:
        UsageError: the file cannot be read, a key is unknown, or an artifact is missing.
    """
    given = read_mapping(path)
    for key in ("pipeline", "world", "pretrain", "ladder", "typical_seconds"):
        if key in given:
            raise UsageError(f"{path}: {key} belongs to the embedded world's presets", remedy=f"remove {key}")
    missing = [key for key in ("sources", "sweep") if not given.get(key)]
    if missing:
        raise UsageError(
            f"{path} has no {missing[0]}",
            expected="sources: where models, data and benchmarks are; sweep: bases, data, amounts",
            remedy="see docs/sweeps.md for a file to begin with",
        )
    values: dict[str, Any] = {name: _merged(name, struct, given) for name, struct in DEFAULTS.items()}
    values |= {name: value for name, value in given.items() if name not in DEFAULTS}
    sweep = {"one_pass": not _beyond_one_pass(values["train"]), **_mapping(path, "sweep", given["sweep"])}
    values["sweep"] = {**sweep, **({"only": only} if only else {})}
    if values.get("attribution") is not None:
        values["attribution"] = _mapping(path, "attribution", values["attribution"])
    for name in ("train", "questions", "report", "stylistic", "attribution", "support", "validate_data"):
        if values.get(name) is not None:
            values[name] = {**values[name], "seed": int(values[name].get("seed", 0)) + seed}
    if "heldout_max_tokens" in values["questions"]:
        # After examples the base is asked for answers as long as all others.
        values["stylistic"].setdefault("max_tokens", values["questions"]["heldout_max_tokens"])
    served = _judge_behind_a_server(given["sources"])
    if served:
        values["verdicts"] = {"judge": served, "where": "server", **dict(values.get("verdicts") or {})}
    values.setdefault("compare_cells", {})
    values["compare_cells"] = {"policy": values["report"].get("policy", {}), **values["compare_cells"]}
    config = validated(SweepConfig, {**values, "pipeline": pipeline, "typical_seconds": {}}, what=str(path))
    _check_names(path, config)
    return config


def _beyond_one_pass(training: Mapping[str, Any]) -> list[str]:
    """Settings of `train` that one pass over all amounts lacks: engines, processes, held-out data, TrainJobs."""
    return sorted(set(training) - {"recipe", "seed"})


def _judge_behind_a_server(sources: object) -> str:
    """Its name there; empty = there is none. A judge without log-probabilities of given text must write verdicts."""
    judge = sources.get("judge") if isinstance(sources, Mapping) else None
    generate = judge.get("generate") if isinstance(judge, Mapping) else None
    api = generate.get("api") if isinstance(generate, Mapping) else None
    return str(api.get("model", "")) if isinstance(api, Mapping) else ""


def _merged(name: str, ours: Struct, given: Mapping[str, Any]) -> Struct:
    theirs = dict(given.get(name) or {})
    if name == "train":
        theirs["recipe"] = {**ours["recipe"], **dict(theirs.get("recipe") or {})}
    return {**ours, **theirs}


def _mapping(path: Path, name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{path}: {name} is no mapping", expected="key: value lines below it")
    return value


def _check_names(path: Path, config: SweepConfig) -> None:
    assert config.sources is not None
    beyond = _beyond_one_pass(config.train)
    if beyond and any(group.kind == "series" for group in config.sweep.groups()):
        raise UsageError(
            f"{path}: one pass over all amounts trains in one process, and train says {', '.join(beyond)}",
            expected="one_pass: false, a training for each amount",
            remedy="remove one_pass from sweep, or these from train",
        )
    for what, used, known in (
        ("base", config.sweep.bases, config.sources.bases),
        ("data", config.sweep.data, config.sources.dialogues),
    ):
        for name in used:
            if name not in known:
                raise UsageError(f"{path}: the sweep's {what} {name} has no source", expected=", ".join(known))
    _check_embedder(path, config)
    check_artifacts(config.sources)


def _check_embedder(path: Path, config: SweepConfig) -> None:
    """Embeddings are read off a checkpoint: the judge's, or each base's."""
    assert config.sources is not None
    classifiers = {**ATTRIBUTION, **(config.attribution or {})}["classifiers"]
    asked = config.attribution is not None and any(name.startswith("embedding") for name in classifiers)
    judge = config.sources.judge
    embedders = [judge] if judge is not None and not judge.served else list(config.sources.bases.values())
    if asked and any(model.served for model in embedders):
        raise UsageError(
            f"{path}: attribution asks for embeddings, and a model behind a server gives none",
            expected="a checkpoint of the judge or of every base",
            remedy="attribution: {classifiers: [char_ngrams, frequent_words, surface, majority]}",
        )
