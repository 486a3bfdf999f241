"""Runs the programs that completions hold: each in its two forms, the same program once, finished ones never again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.benchmark import programs
from components.benchmark.sandbox import pool
from components.benchmark.sandbox.work import Limits, Program, Verdict
from components.contracts import environment
from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.rows import Completion, ProgramOutcome, TaskItem

Form = Literal["body", "extracted"]
ID_END = "#"
"""Ends an item's id within a request's (see `prompting.STYLE_MARK`)."""
OUTSIDE: dict[str, object] = {"identity": False}


class Params(BaseModel):
    """What a program may use, and how many run at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model that wrote the programs; shown in folder names and progress."""
    limits: Limits = Limits()
    """Limits of each program. Another limit may give another verdict, so they are part of what was done."""
    workers: Annotated[int, Field(ge=0, le=256, json_schema_extra=OUTSIDE)] = 0
    """Pairs of boxes (on a cluster: pods) at a time; 0 = one for each core of this machine."""


class Wanted(NamedTuple):
    """One row to be made: a completion in one form."""

    request_id: str
    form: Form
    program: Program | None
    """None when there is no answer to run."""
    reason: str = ""


def run(
    items: Iterable[TaskItem], completions: Iterable[Completion], journal: Journal, params: Params
) -> tuple[list[ProgramOutcome], Metrics]:
    """Outcomes of every completion of a program item, in the order of the completions: body, then extracted.

    Raises:
        TouchstoneError: an item has no tests or no entry point, two completions share an id, or nothing here can
            isolate a program.
    """
    rows = wanted(items, completions, params.limits)
    left = {row.program.key: row.program for row in rows if row.program and row.program.key not in journal}

    def keep(program: Program, verdict: Verdict) -> None:
        journal.append(program.key, {"passed": verdict.passed, "detail": verdict.detail})

    if left:
        _run_somewhere(list(left.values()), keep, params)
    outcomes = [_outcome(row, journal) for row in rows]
    return outcomes, _metrics(rows, outcomes)


def wanted(items: Iterable[TaskItem], completions: Iterable[Completion], limits: Limits) -> list[Wanted]:
    """What there is to run. A program's key is the digest of all that decides its verdict.

    Raises:
        TouchstoneError: an item has no tests or no entry point, or two completions share an id.
    """
    known = {item.id: _checked(item) for item in items if item.kind == "program" and item.split == "test"}
    rows: list[Wanted] = []
    seen: set[str] = set()
    for completion in completions:
        item = known.get(completion.prompt_id.partition(ID_END)[0])
        if item is None:
            continue
        if completion.prompt_id in seen:
            raise TouchstoneError(f"two completions have the id {completion.prompt_id}", expected="unique ids")
        seen.add(completion.prompt_id)
        if completion.unanswered is not None:
            rows += [Wanted(completion.prompt_id, form, None, completion.unanswered) for form in _FORMS]
            continue
        for form, source in (
            ("body", programs.body(item.question, completion.text)),
            ("extracted", programs.extracted(item.question, item.entry_point, completion.text)),
        ):
            rows.append(Wanted(completion.prompt_id, form, _program(item, source, limits)))  # type: ignore[arg-type]
    return rows


_FORMS: tuple[Form, ...] = ("body", "extracted")


def _checked(item: TaskItem) -> TaskItem:
    for name in ("tests", "entry_point"):
        if not getattr(item, name).strip():
            raise TouchstoneError(
                f"item {item.id} has no {name}",
                expected="tests that call a function, and its name",
                remedy="correct the task file, or remove the item",
            )
    if not item.entry_point.isidentifier():
        raise TouchstoneError(f"item {item.id}: {item.entry_point!r} is no name of a function")
    return item


def _program(item: TaskItem, source: str, limits: Limits) -> Program:
    parts = [item.question, item.tests, item.entry_point, source, limits.job()]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()
    return Program(key, item.question, item.tests, item.entry_point, source)


def _run_somewhere(left: list[Program], keep: pool.Report, params: Params) -> None:
    """On a cluster where it offers a place for programs, else in boxes on this machine."""
    place = environment.sandbox()
    workers = params.workers or len(os.sched_getaffinity(0))
    if place is not None:
        from components.benchmark.sandbox.cluster import Pods, run_in_pods

        run_in_pods(left, Pods.connect(place, params.limits), keep, workers)
        return
    from components.benchmark.sandbox.pair import Pair

    pool.run_all(left, lambda: Pair(params.limits), keep, min(workers, len(left)))


def _outcome(row: Wanted, journal: Journal) -> ProgramOutcome:
    if row.program is None:
        return ProgramOutcome(request_id=row.request_id, form=row.form, passed=None, unscored=row.reason)
    kept = journal.read(row.program.key)
    assert kept is not None, "every program was reported"
    passed, detail = kept["passed"], str(kept["detail"])
    assert passed is None or isinstance(passed, bool)
    if passed is None:
        return ProgramOutcome(request_id=row.request_id, form=row.form, passed=None, unscored=detail)
    return ProgramOutcome(request_id=row.request_id, form=row.form, passed=passed, detail=detail)


def _metrics(rows: list[Wanted], outcomes: list[ProgramOutcome]) -> Metrics:
    found: dict[str, float] = {
        "completions": float(len({row.request_id for row in rows})),
        "programs": float(len({row.program.key for row in rows if row.program})),
        "unscored": float(sum(outcome.passed is None for outcome in outcomes)),
    }
    for form in _FORMS:
        values = [outcome.passed for outcome in outcomes if outcome.form == form and outcome.passed is not None]
        found[f"passed_{form}"] = sum(values) / len(values) if values else 0.0
    counts: Mapping[str, float] = found
    return counts
