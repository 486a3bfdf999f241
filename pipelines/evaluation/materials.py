"""Benchmarks, prompts and checkpoints as people have them -> artifacts below an evaluation's folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.benchmark.prompting import Template
from components.benchmark.task_file import read_task
from components.collect.benchmark_files import read_heldout, read_items
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output, write_rows
from components.contracts.rows import Prompt, TaskItem
from pipelines.evaluation.request import EvaluationRequest

LEFT_OUT = (".bin", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".gguf", ".py", ".md", ".lock")
"""Files of a Hugging Face folder that are not read: weights in other formats, code, which is never executed."""


def write_items(request: EvaluationRequest, folder: Path) -> dict[str, Template]:
    """Every item of every benchmark into `folder`/items; gives the templates of the user's own tasks.

    Raises:
        TouchstoneError: a file cannot be read, or two benchmarks share an id.
    """
    items: list[TaskItem] = []
    templates: dict[str, Template] = {}
    for given in request.items:
        name, path = _named(given)
        items += read_items(path, benchmark=name)
    for given in request.shots:
        name, path = _named(given)
        if not name:
            raise UsageError(f"--shots {given} names no benchmark", expected="NAME=FILE")
        items += [item.model_copy(update={"split": "shots"}) for item in read_items(path, benchmark=name)]
    for path in request.tasks:
        task = read_task(path)
        items += task.items
        templates[task.name] = task.template
    _check_unique(items)
    write_rows(folder / "items", TaskItem, _limited(items, request.limit))
    return templates


def write_heldout(request: EvaluationRequest, folder: Path) -> None:
    """Every prompt into `folder`/heldout.

    Raises:
        TouchstoneError: a file cannot be read, or two files share an id.
    """
    prompts = [prompt for path in request.heldout for prompt in read_heldout(path)]
    twice = [name for name, count in Counter(prompt.id for prompt in prompts).items() if count > 1]
    if twice:
        raise TouchstoneError(
            f"the prompt files share the id {twice[0]} ({len(twice)} such ids)", expected="every id once"
        )
    write_rows(folder / "heldout", Prompt, prompts)


def as_checkpoint(model: Path, folder: Path) -> Path:
    """A checkpoint of ours as it is; any other Hugging Face folder as an artifact of links to its files.

    Raises:
        UsageError: there is no such folder.
        TouchstoneError: it holds no config.json.
    """
    if not model.is_dir():
        raise UsageError(f"{model} is not a folder", expected="the folder of a Hugging Face checkpoint")
    if (model / manifests.FILE_NAME).is_file():
        return model
    if not (model / "config.json").is_file():
        raise TouchstoneError(
            f"{model} has no config.json",
            expected="a Hugging Face causal LM: config.json, model.safetensors and a tokenizer",
            remedy="give the folder that save_pretrained wrote",
        )
    output = Output(folder / "checkpoint", Checkpoint)
    place = output.folder
    for path in sorted(model.iterdir()):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(LEFT_OUT):
            (place / path.name).symlink_to(path.resolve())
    output.commit()
    return output.path


def benchmarks_of(folder: Path) -> dict[str, str]:
    """Benchmark -> kind of its items."""
    return {item.benchmark: item.kind for item in Input(folder / "items", TaskItem).iter_rows()}


def _named(given: str) -> tuple[str, Path]:
    name, separator, path = given.partition("=")
    if not separator or Path(given).exists():
        return "", Path(given)
    return name, Path(path)


def _limited(items: Iterable[TaskItem], limit: int | None) -> Sequence[TaskItem]:
    """At most `limit` test items of each benchmark; which ones hangs on their ids alone."""
    found = list(items)
    if limit is None:
        return found
    kept: set[tuple[str, str]] = set()
    groups: dict[str, list[str]] = {}
    for item in found:
        if item.split == "test":
            groups.setdefault(item.benchmark, []).append(item.id)
    for benchmark, ids in groups.items():
        ids.sort(key=lambda name: hashlib.sha256(f"limit:{name}".encode()).digest())
        kept |= {(benchmark, name) for name in ids[:limit]}
    return [item for item in found if item.split == "shots" or (item.benchmark, item.id) in kept]


def _check_unique(items: Sequence[TaskItem]) -> None:
    first: dict[str, TaskItem] = {}
    for item in items:
        other = first.setdefault(item.id, item)
        if other is not item:
            raise TouchstoneError(
                f"item {item.id} stands twice, in {other.benchmark} and in {item.benchmark}",
                expected="every id once over all benchmarks",
                remedy="give each file once; a file of your own can hold ids that tell its items apart",
            )
