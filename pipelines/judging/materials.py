"""Answers as people have them -> artifacts below a judging's folder: candidates, reference, base."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from components.collect.joins import join
from components.collect.outputs import read_outputs
from components.collect.prompts import PromptIndex, read_prompts
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.contracts.preference_rows import PLACEBO, placebo_model
from components.contracts.rows import Completion
from pipelines.audit.evaluations import ANSWERS, is_evaluation
from pipelines.judging.request import JudgingRequest

CANDIDATE, REFERENCE, BASE = "candidate", "reference", "base"
MADE_OF_BASE = {placebo_model("restyled_base"): "restyled_base", placebo_model("stylistic_base"): "stylistic_base"}
"""Placebo -> the port of prepare_verdicts that compares it with the base."""


def write_materials(request: JudgingRequest) -> dict[str, Path]:
    """Every side into `request.out`; gives the ports that are there.

    Raises:
        UsageError: a place does not exist.
        TouchstoneError: a file cannot be read, two models share a name, or they share too few prompts.
    """
    prompts = read_prompts(request.prompts) if request.prompts else PromptIndex()
    reference = _one_model(request.reference, "--reference", prompts)
    base = _one_model(request.base, "--base", prompts) if request.base else []
    models: dict[str, list[Completion]] = {}
    for given in request.candidates:
        for row in _answers(given, "a candidate", prompts):
            models.setdefault(row.model, []).append(row)
    if not models:
        raise TouchstoneError("the candidates hold no answers", expected="answers of at least one model")
    _check_shared(models, reference)
    wanted = _drawn(reference, request.limit)
    return _write(request.out, models, reference, base, wanted)


def _write(
    out: Path,
    models: Mapping[str, Sequence[Completion]],
    reference: Sequence[Completion],
    base: Sequence[Completion],
    wanted: set[str] | None,
) -> dict[str, Path]:
    sides: dict[str, list[Completion]] = {CANDIDATE: [], REFERENCE: list(reference)}
    for name, rows in models.items():
        sides.setdefault(MADE_OF_BASE.get(name, CANDIDATE) if base else CANDIDATE, []).extend(rows)
    if not sides[CANDIDATE]:
        raise UsageError(
            "all candidates are placebos of the base", expected="a model to judge beside them, or no --base"
        )
    if base:
        sides[BASE] = list(base)
    for port in {BASE, *MADE_OF_BASE.values()} - sides.keys():
        shutil.rmtree(out / port, ignore_errors=True)  # of an earlier call with other sides
    for port, rows in sides.items():
        write_rows(out / port, Completion, [row for row in rows if wanted is None or row.prompt_id in wanted])
    return {port: out / port for port in sides}


def _answers(given: str, option: str, prompts: PromptIndex) -> list[Completion]:
    """Rows of one place; a folder may hold several models (placebos), a file holds one."""
    name, path = _named(given)
    if not path.exists():
        raise UsageError(f"{path} does not exist", expected="a file or folder of answers", remedy="check the path")
    if path.is_dir():
        rows = [row for folder in _folders(path) for row in Input(folder, Completion).iter_rows()]
        found = sorted({row.model for row in rows})
        if name and len(found) > 1:
            raise UsageError(
                f"{path} holds answers of {len(found)} models: {', '.join(found)}", expected="no name before the folder"
            )
    else:
        own_name = path.name.partition(".")[0]
        read = read_outputs(path, "imitator", prompts=prompts, name=name or None, option=option, unnamed=own_name)
        rows = list(read.completions)
    return [
        row.model_copy(update={"model": name or row.model, "prompt": row.prompt or prompts.text(row.prompt_id)})
        for row in rows
    ]


def _one_model(given: str, option: str, prompts: PromptIndex) -> list[Completion]:
    rows = _answers(given, option, prompts)
    found = sorted({row.model for row in rows})
    if len(found) != 1:
        raise TouchstoneError(
            f"{option} {given} holds answers of {len(found)} models{': ' if found else ''}{', '.join(found)}",
            expected="the answers of one model",
        )
    return rows


def _folders(path: Path) -> Iterable[Path]:
    if is_evaluation(path):
        return [path / ANSWERS]
    if (path / manifests.FILE_NAME).is_file():
        return [path]
    below = sorted(child for child in path.iterdir() if (child / manifests.FILE_NAME).is_file())
    found = [child for child in below if manifests.read(child).contract == Completion.__name__]
    if not found:
        raise TouchstoneError(
            f"{path} holds no answers",
            expected="a folder of Completion rows, several of them, or what `touchstone evaluate` wrote",
            remedy="check the path",
        )
    return found


def _named(given: str) -> tuple[str, Path]:
    name, separator, path = given.partition("=")
    return ("", Path(given)) if not separator or Path(given).exists() else (name, Path(path))


def _check_shared(models: Mapping[str, Sequence[Completion]], reference: Sequence[Completion]) -> None:
    target = reference[0].model
    for name, rows in models.items():
        if name == target:
            raise TouchstoneError(
                f"a candidate and the reference are both called {name}",
                expected="another name for each",
                remedy="give one of them a name: NAME=FILE",
            )
        if name.startswith(PLACEBO):
            continue  # an answer in which nothing could be changed has no placebo
        ids = {name: [row.prompt_id for row in rows], target: [row.prompt_id for row in reference]}
        join("answers", ids, what="prompts", places={name: "a candidate", target: "--reference"})


def _drawn(reference: Sequence[Completion], limit: int | None) -> set[str] | None:
    if limit is None:
        return None
    ids = sorted((row.prompt_id for row in reference), key=lambda i: hashlib.sha256(f"limit:{i}".encode()).digest())
    return set(ids[:limit])
