"""An evaluation: items -> requests -> answers -> scores, every step under its identity, so that it continues."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.benchmark import step as benchmark
from components.benchmark.harness_export import Answers, export_logs
from components.contracts import bind, environment, step_store
from components.contracts.errors import UsageError
from components.contracts.places import disk_errors
from components.contracts.ports import Input, write_rows
from components.contracts.rows import ChoiceScore, Completion, Prompt, Request, Score, TaskItem
from components.generate.step import generate
from components.report.policy import load_policy
from pipelines.data.artifacts import folder_of
from pipelines.evaluation.materials import as_checkpoint, benchmarks_of, write_heldout, write_items
from pipelines.evaluation.place import LOGS, refuse_other_use
from pipelines.evaluation.request import EvaluationRequest
from pipelines.evaluation.summary import Gap, Line, gaps, lines

TWO_STYLES_SHARE = 0.1
PLAIN_CHAT = "User: {prompt}\n\nAssistant:"
"""How a message is put to a base, whose checkpoint has no chat template."""
ASKING_A_SERVER = ("api", "vllm")
WITHOUT_CHECKPOINT = ("api", "vllm", "echo", "replay")


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation."""

    folder: Path
    name: str
    lines: tuple[Line, ...]
    """One for each benchmark, prompt style and channel; the headline's first."""
    metrics: Mapping[str, float]
    """Of generate and score."""
    num_answers: int
    """Answers to held-out prompts."""
    num_prompts: int
    """Held-out prompts."""
    gaps: tuple[Gap, ...]
    """Why items of the headline have no score, and prompts no answer."""


def evaluate(request: EvaluationRequest) -> Evaluation:
    """Ask, run, rate, score. What an earlier, interrupted call finished is found and not done again.

    Raises:
        UsageError: nothing to ask, or no model.
        TouchstoneError: bad input, or a step that failed; what was made so far stays.
    """
    backend = _checked_backend(request)
    out = request.out
    with disk_errors(out):
        refuse_other_use(out, _name(request))
        out.mkdir(parents=True, exist_ok=True)
    with _store(out):
        templates = write_items(request, out)
        write_heldout(request, out)
        asking = _asking(request, {name: made.model_dump(mode="json") for name, made in templates.items()})
        answered = _asked_and_answered(request, out, asking, backend)
        extra = _rated(request, out)
        made = _at(out, "items", "completions", "choice_scores", "scores", "variants", "answers")
        scored = _call(benchmark.score, asking, made | extra)
    chosen = Input(out / "scores", Score).rows()
    rows = [*chosen, *Input(out / "variants", Score).iter_rows()]
    headline = {(row.item_id, row.channel, row.prompt_style) for row in chosen}
    _write_logs(out, rows, asking)
    return Evaluation(
        folder=out,
        name=str(asking["name"]),
        lines=tuple(lines(rows, headline)),
        metrics={**answered, **scored},
        num_answers=Input(out / "answers", Completion).manifest.num_rows,
        num_prompts=Input(out / "heldout", Prompt).manifest.num_rows,
        gaps=tuple(gaps(chosen, Input(out / "completions", Completion).iter_rows(), benchmark.HELDOUT_MARK)),
    )


def _checked_backend(request: EvaluationRequest) -> str:
    if not (request.items or request.tasks or request.heldout):
        raise UsageError("nothing to ask", expected="--items, --task or --heldout")
    backend = str(request.generation.get("backend", "hf"))
    if request.model is None and backend not in WITHOUT_CHECKPOINT:
        raise UsageError(f"backend {backend} needs a checkpoint", expected="the folder of one as first argument")
    if backend in ASKING_A_SERVER and not request.generation.get("api"):
        raise UsageError(
            f"backend {backend} asks a server, and none is named",
            expected="base_url and model of an OpenAI-compatible server",
            remedy="""--params '{"generate": {"api": {"base_url": "http://127.0.0.1:8000/v1", "model": "NAME"}}}'""",
        )
    return backend


def _asked_and_answered(
    request: EvaluationRequest, out: Path, asking: Mapping[str, Any], backend: str
) -> Mapping[str, float]:
    """Two rounds: everything, then short answers against what the base, or this model itself, said in the first."""
    given = {"checkpoint": as_checkpoint(request.model, out)} if request.model and backend == "hf" else {}
    params = {"plain_chat": PLAIN_CHAT, **request.generation, "name": asking["name"]}
    _call(benchmark.prepare, asking, _at(out, "items", "heldout", "requests"))
    first = _at(out, "requests", "completions", "text_scores") | {"choice_scores": out / "asked_choice_scores"}
    answered = _call(generate, params, first | given)
    rounds = [out / "asked_choice_scores"]
    if "exact_match" in benchmarks_of(out).values() and asking["likelihoods"]:
        rivals = {
            "base_completions": folder_of(request.base / "completions", Completion)
            if request.base
            else out / "completions",
            "requests": out / "rival_requests",
        }
        _call(benchmark.prepare, {**asking, "only_rivals": True}, _at(out, "items", "heldout") | rivals)
        second = {name: out / f"rival_{name}" for name in ("requests", "completions", "text_scores", "choice_scores")}
        _call(generate, params, second | given)
        rounds.append(second["choice_scores"])
    weighed = (row for place in rounds for row in Input(place, ChoiceScore).iter_rows())
    write_rows(out / "choice_scores", ChoiceScore, weighed)
    return answered


def _asking(request: EvaluationRequest, templates: Mapping[str, object]) -> dict[str, Any]:
    styles = list(request.styles)
    share = request.selection_share
    if share is None:
        share = TWO_STYLES_SHARE if len(styles) > 1 else 0.0
    given = dict(request.questions)
    of_user = given.pop("templates", {})
    known = dict(of_user) if isinstance(of_user, Mapping) else {}
    return {
        "name": _name(request),
        "styles": styles,
        "selection_share": share,
        # A checkpoint without chat template is asked by `plain_chat`.
        "heldout_chat": True,
        "likelihoods": request.generation.get("backend") != "api",
        "policy": {"data": load_policy(request.policy).data.model_dump(mode="json")},
        "templates": {**templates, **known},
        **given,
    }


def _name(request: EvaluationRequest) -> str:
    """What the model is called: as the user says, as its folder, as the server knows it."""
    server = request.generation.get("api")
    served = str(server.get("model", "")) if isinstance(server, Mapping) else ""
    return request.name or (request.model.resolve().name if request.model else served) or "model"


def _write_logs(out: Path, rows: Sequence[Score], asking: Mapping[str, Any]) -> None:
    """The same answers and scores as logs of lm-evaluation-harness, in place of an earlier call's."""
    shutil.rmtree(out / LOGS, ignore_errors=True)
    if not rows:
        return
    params = benchmark.Params.model_validate(asking)
    items = Input(out / "items", TaskItem).rows()
    groups: dict[str, list[TaskItem]] = {}
    for item in items:
        groups.setdefault(item.benchmark, []).append(item)
    answers = Answers(
        items=items,
        requests={
            row.id: row
            for name in ("requests", "rival_requests")
            if (out / name).exists()
            for row in Input(out / name, Request).iter_rows()
        },
        completions={row.prompt_id: row for row in Input(out / "completions", Completion).iter_rows()},
        choice_scores={row.request_id: row for row in Input(out / "choice_scores", ChoiceScore).iter_rows()},
        scores=rows,
    )
    export_logs(
        out / LOGS,
        answers,
        lambda name: params.template(groups[name]),
        model=params.name,
        date=datetime.now(UTC).replace(tzinfo=None),
    )


def _rated(request: EvaluationRequest, out: Path) -> dict[str, Path]:
    """What beside answers a score needs: programs that were run, toxicity, leaks, support."""
    kinds = set(benchmarks_of(out).values())
    found: dict[str, Path] = {}
    if "program" in kinds:
        _call(benchmark.run_programs, request.programs, _at(out, "items", "completions", "outcomes"))
        found["outcomes"] = out / "outcomes"
    if "continuation" in kinds:
        scorer = {"scorer": request.scorer} if request.scorer else {}
        _call(benchmark.rate_toxicity, {}, _at(out, "completions", "ratings") | scorer)
        found["ratings"] = out / "ratings"
    if request.overlap:
        from components.contracts.data_rows import Overlap

        found["overlap"] = folder_of(request.overlap, Overlap)
    if request.support:
        from components.contracts.evidence_rows import Support

        found["support"] = folder_of(request.support, Support)
    return found


def _at(out: Path, *names: str) -> dict[str, Path]:
    """Ports that lie in the evaluation's folder under their own name."""
    return {name: out / name for name in names}


def _call(step: bind.Step, params: Mapping[str, Any], ports: Mapping[str, Path]) -> Mapping[str, float]:
    return bind.call(step, params=params, **ports).metrics


@contextmanager
def _store(out: Path) -> Iterator[None]:
    """Finished steps are kept inside `out` unless the environment names a place for them."""
    if environment.step_store() is not None:
        yield
        return
    os.environ[environment.STORE] = str((out / step_store.BESIDE_OUTPUTS).resolve())
    try:
        yield
    finally:
        del os.environ[environment.STORE]
