"""A judging: answers -> questions -> the judge's replies -> judgments, by steps that continue where they stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.places import disk_errors
from components.contracts.ports import Input
from components.contracts.preference_results import JudgeQualification
from components.contracts.preference_rows import GoldLabel
from components.contracts.rows import Completion
from components.generate.step import generate
from components.judge import step
from components.judge.pinning import check_pinned
from components.report.policy import load_policy
from pipelines.evaluation.materials import as_checkpoint
from pipelines.evaluation.run import PLAIN_CHAT
from pipelines.judging.gold import read_gold
from pipelines.judging.likelihoods import judge_likelihoods
from pipelines.judging.materials import BASE, REFERENCE, write_materials
from pipelines.judging.request import Judge, JudgingRequest
from pipelines.judging.summary import Line, lines
from pipelines.judging.trust import qualification_of
from pipelines.replies_bar import replies_bar

SERVERS = ("api", "vllm")
JUDGMENTS, REPLIES = "judgments", "replies"


@dataclass(frozen=True)
class Judging:
    """A finished judging."""

    folder: Path
    judge: str
    """Name of the judge in the rows, with its pin."""
    lines: tuple[Line, ...]
    """One for each candidate."""
    metrics: Mapping[str, float]
    """Of generate and of the reading."""
    unreadable: Mapping[str, int]
    """Why replies could not be read -> how many."""
    warnings: tuple[str, ...]
    qualification: JudgeQualification | None
    """What placebos and people say of the judge; None = neither was put beside it."""


def judge(request: JudgingRequest) -> Judging:
    """Ask the judge about every pair in both orders. What an earlier, interrupted call paid for is not paid again.

    Raises:
        UsageError: no judge, or one that is not pinned.
        TouchstoneError: bad input, a budget that ended, or a step that failed; what was made so far stays.
    """
    check_judge(request.judge)
    load_policy(request.policy)  # a slip of the hand is told before anything is paid
    gold = read_gold(request.gold) if request.gold else []
    out = request.out
    refuse_artifact(out)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    sides = write_materials(request)
    checkpoint = as_checkpoint(request.judge.checkpoint, out) if request.judge.checkpoint else None
    if request.judge.likelihood:
        assert checkpoint is not None
        metrics = judge_likelihoods(request.judge, checkpoint, sides, out)
    else:
        metrics = _judge_by_verdicts(request, checkpoint, sides)
    made = Input(out / JUDGMENTS, Judgment)
    notes = made.manifest.notes
    unreadable, warnings = notes.get("unreadable"), notes.get("warnings")
    rows = made.rows()
    return Judging(
        folder=out,
        judge=rows[0].source,
        lines=tuple(lines(rows)),
        metrics=metrics,
        unreadable=dict(unreadable) if isinstance(unreadable, Mapping) else {},
        warnings=tuple(map(str, warnings)) if isinstance(warnings, list | tuple) else (),
        qualification=_qualification(request, sides, rows, gold),
    )


def _qualification(
    request: JudgingRequest, sides: Mapping[str, Path], rows: Sequence[Judgment], gold: Sequence[GoldLabel]
) -> JudgeQualification | None:
    names = {
        port: next(Input(sides[port], Completion).iter_rows()).model for port in (REFERENCE, BASE) if port in sides
    }
    return qualification_of(rows, gold, target=names[REFERENCE], base=names.get(BASE, ""), policy=request.policy)


def check_judge(asked: Judge) -> None:
    """Refuse a judge that cannot be asked, before anything is read.

    Raises:
        UsageError: no judge, or one that is not pinned.
    """
    api = asked.generation.get("api")
    has_server = isinstance(api, Mapping) and bool(api.get("base_url"))
    if asked.checkpoint is None and not has_server:
        raise UsageError("no judge is given", expected="--api URL with --model NAME, or --checkpoint FOLDER")
    if asked.checkpoint is not None and has_server:
        raise UsageError("a server and a checkpoint are both given as the judge", expected="one of the two")
    if asked.likelihood and asked.checkpoint is None:
        raise UsageError("--likelihood needs the judge's checkpoint", expected="--checkpoint FOLDER")
    check_pinned(asked.model, asked.revision, where_of(asked))


def refuse_artifact(out: Path) -> None:
    """Refuse to write into an artifact: its files would no longer be those that its manifest lists.

    Raises:
        UsageError: `out` is one, or lies in one.
    """
    for place in (out, *out.resolve().parents):
        if (place / manifests.FILE_NAME).is_file():
            raise UsageError(
                f"{place} is the finished output of a step, and {out} would be written into it",
                expected="a folder of its own for --out",
                remedy="name the folder that holds the artifacts, or a new one",
            )


def where_of(asked: Judge) -> Any:
    """Who answers, as the judge's steps call it."""
    return "checkpoint" if asked.checkpoint is not None else "server"


def _judge_by_verdicts(
    request: JudgingRequest, checkpoint: Path | None, sides: Mapping[str, Path]
) -> Mapping[str, float]:
    asked, out = request.judge, request.out
    name = asked.model or (asked.checkpoint.resolve().name if asked.checkpoint else "")
    template = asked.template if isinstance(asked.template, str) else dict(asked.template)
    who = {"judge": name, "revision": asked.revision, "where": where_of(asked), "template": template}
    backend = "hf" if checkpoint else asked.generation.get("backend", "api")
    generation = {"plain_chat": PLAIN_CHAT, **asked.generation, "backend": backend, "name": "judge"}
    paths = {port: out / port for port in ("requests", "pairs", "completions", JUDGMENTS, REPLIES)}
    prepared = bind.call(
        step.prepare_verdicts,
        params={**who, **request.verdicts},
        **sides,
        requests=paths["requests"],
        pairs=paths["pairs"],
    )
    with replies_bar():
        answered = bind.call(
            generate,
            params=generation,
            requests=paths["requests"],
            completions=paths["completions"],
            choice_scores=out / "choice_scores",
            text_scores=out / "text_scores",
            **({"checkpoint": checkpoint} if checkpoint else {}),
        )
    read = bind.call(
        step.read_verdicts, params=who, **{name: paths[name] for name in ("pairs", "completions", JUDGMENTS, REPLIES)}
    )
    found = {"paid_now": 0.0 if answered.reused else 1.0}
    return {**prepared.metrics, **answered.metrics, **read.metrics, **found}
