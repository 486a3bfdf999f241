"""Scores, style profiles, judgments and support -> verdict.json, report.html and report.md."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from components.contracts import canonical
from components.contracts.attribution_rows import Attribution
from components.contracts.bind import Metrics
from components.contracts.data_rows import DataFigures, Overlap
from components.contracts.evidence_rows import (
    GateCheck,
    Judgment,
    PublishedScore,
    PublishedStyle,
    Registration,
    StyleProfile,
    Support,
    SupportClaim,
)
from components.contracts.ports import Checkpoint, Input, Inputs, Nothing, Output, Report
from components.contracts.preference_rows import GoldLabel, StyleFeatures, ToneScore
from components.contracts.rows import Completion, Role, Score, TaskItem
from components.contracts.sweep_rows import Cell, CellResults
from components.contracts.training_rows import TrainingStep
from components.contracts.verdict import Verdict
from components.report.policy import Policy, policy_from

if TYPE_CHECKING:
    from components.report.joining import Part


class Params(BaseModel):
    """What a verdict depends on beside the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Short name of the comparison, used in folders and progress."""
    title: str | None = None
    """Heading of the page; the imitator's name when absent."""
    models: dict[Role, str] = Field(default_factory=dict)
    """Role -> name; read from the rows when absent."""
    policy: Policy = Policy()
    """The rules."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Bootstrap resamples."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of every bootstrap."""
    min_matched: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8
    """Least share of items that two models must share on a benchmark."""
    redact: bool = False
    """Put length and digest in the place of prompts and answers, on the page and in its twins."""
    provenance: dict[str, object] = Field(default_factory=dict)
    """Carried into the verdict as it is."""


def report(
    *,
    base_scores: Input[Score] = Nothing(Score),  # noqa: B008 - a frozen value that says "nothing given"
    imitator_scores: Input[Score] = Nothing(Score),  # noqa: B008
    target_scores: Input[Score] = Nothing(Score),  # noqa: B008
    base_variants: Input[Score] = Nothing(Score),  # noqa: B008
    imitator_variants: Input[Score] = Nothing(Score),  # noqa: B008
    published: Input[PublishedScore] = Nothing(PublishedScore),  # noqa: B008
    profiles: Input[StyleProfile] = Nothing(StyleProfile),  # noqa: B008
    published_style: Input[PublishedStyle] = Nothing(PublishedStyle),  # noqa: B008
    judgments: Input[Judgment] = Nothing(Judgment),  # noqa: B008
    placebo_judgments: Input[Judgment] = Nothing(Judgment),  # noqa: B008
    features: Input[StyleFeatures] = Nothing(StyleFeatures),  # noqa: B008
    gold: Input[GoldLabel] = Nothing(GoldLabel),  # noqa: B008
    base_tones: Input[ToneScore] = Nothing(ToneScore),  # noqa: B008
    imitator_tones: Input[ToneScore] = Nothing(ToneScore),  # noqa: B008
    target_tones: Input[ToneScore] = Nothing(ToneScore),  # noqa: B008
    support: Input[Support] = Nothing(Support),  # noqa: B008
    claims: Input[SupportClaim] = Nothing(SupportClaim),  # noqa: B008
    figures: Input[DataFigures] = Nothing(DataFigures),  # noqa: B008
    checks: Input[GateCheck] = Nothing(GateCheck),  # noqa: B008
    overlap: Input[Overlap] = Nothing(Overlap),  # noqa: B008
    curve: Input[TrainingStep] = Nothing(TrainingStep),  # noqa: B008
    base_replies: Input[Completion] = Nothing(Completion),  # noqa: B008
    imitator_replies: Input[Completion] = Nothing(Completion),  # noqa: B008
    target_replies: Input[Completion] = Nothing(Completion),  # noqa: B008
    items: Input[TaskItem] = Nothing(TaskItem),  # noqa: B008
    attributions: Input[Attribution] = Nothing(Attribution),  # noqa: B008
    told_apart: Input[Attribution] = Nothing(Attribution),  # noqa: B008
    registered: Input[Registration] = Nothing(Registration),  # noqa: B008
    result: Output[Report],
    params: Params,
) -> Metrics:
    """Decide and write verdict.json, report.html and report.md. An empty or absent port = not given.

    Replies and items are for the page alone: questions that the imitator answers wrongly and sure of it. Attributions
    are shown and decide nothing.

    Raises:
        TouchstoneError: duplicate or contradicting rows, a join that is too thin, or attributions of other authors.
    """
    given: dict[str, Input[Any]] = {name: port for name, port in locals().items() if isinstance(port, Input)}
    # Imported here: `touchstone --help` lists this step and must not wait for scipy.
    from components.report.attribution_result import attribution_result
    from components.report.report_files import Replies, write_report

    verdict = _decided(given, params, params.policy)
    for row in registered.iter_rows():
        verdict = _beside_registered(verdict, row, given, params)
    whose = attribution_result(attributions.rows(), told_apart.rows())
    verdict = verdict.model_copy(update={"attribution": whose})
    said: dict[Part, Replies] = {
        "base": Replies(base_scores, base_tones, base_replies),
        "imitator": Replies(imitator_scores, imitator_tones, imitator_replies),
        "target": Replies(target_scores, target_tones, target_replies),
    }
    verdict = write_report(result.folder, verdict, given, said, items, curve, title=params.title, redact=params.redact)
    result.commit(notes={"verdict": verdict.verdict, "gate": verdict.gate})
    return _metrics(verdict.pooled.all.gap_closed, verdict.style.closeness, passed=verdict.gate == "pass")


def _decided(given: Mapping[str, Input[Any]], params: Params, policy: Policy) -> Verdict:
    """The verdict on what was given, by one policy."""
    from components.report.decision import decide

    rows = {name: port.iter_rows for name, port in given.items()}
    threshold = given["support"].manifest.notes.get("threshold")
    return decide(
        **{name: rows[name]() for name in _ALONE},
        judgments=chain(rows["judgments"](), rows["placebo_judgments"]()),
        tones=chain(rows["base_tones"](), rows["imitator_tones"](), rows["target_tones"]()),
        policy=policy,
        support_threshold=float(threshold) if isinstance(threshold, int | float) else None,
        models=params.models,
        resamples=params.resamples,
        seed=params.seed,
        min_matched=params.min_matched,
        provenance=params.provenance,
    )


_ALONE = (
    *("base_scores", "imitator_scores", "target_scores", "base_variants", "imitator_variants", "published"),
    *("profiles", "published_style", "features", "gold", "support", "claims", "figures", "checks", "overlap"),
)
"""Ports that `decide` takes as they are."""


def _beside_registered(verdict: Verdict, row: Registration, given: Mapping[str, Input[Any]], params: Params) -> Verdict:
    """The verdict with what to say of the rules that were on record before the run."""
    from components.report.policy_diff import changed_conclusions, changed_rules

    changed = row.policy_digest != params.policy.digest
    record: dict[str, object] = {"registered_policy": row.policy_digest, "policy_changed": changed}
    if changed:
        registered = policy_from(row.rules, where="the registered rules")
        record["changed_rules"] = [str(change) for change in changed_rules(registered, params.policy)]
        before = _decided(given, params, registered)
        record["changed_conclusions"] = [str(change) for change in changed_conclusions(before, verdict)]
    return verdict.model_copy(update={"provenance": {**record, **verdict.provenance}})


class RegisterParams(BaseModel):
    """What a run declares before it begins."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pipeline: str
    """Name of the pipeline."""
    policy: Policy = Policy()
    """The rules its verdicts will be made by."""
    settings: dict[str, object] = Field(default_factory=dict)
    """The parameters of every step."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The run's seed."""


def register(*, registered: Output[Registration], params: RegisterParams) -> None:
    """Put the rules and settings of a run on record: the first step, before anything is trained or scored."""
    row = Registration(
        pipeline=params.pipeline,
        seed=params.seed,
        policy=params.policy.name,
        policy_digest=params.policy.digest,
        rules=params.policy.model_dump(mode="json"),
        settings_digest=canonical.digest(params.settings),
    )
    registered.write([row], notes={"policy": row.policy, "policy_digest": row.policy_digest})


class CompareParams(BaseModel):
    """What the study calls its arms, and which claims it makes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str = "Imitation study"
    """Heading of the page."""
    plain: bool = False
    """The target has no style of its own: nothing may come out STYLE_ONLY."""
    with_claims: bool = True
    """False: only set the arms side by side."""
    arms: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Arm -> title and one line on what was trained on what."""


def compare(
    *,
    broad: Input[Report],
    broad_less: Input[Report],
    local: Input[Report],
    larger_base: Input[Report],
    broad_scores: Input[Score],
    broad_less_scores: Input[Score],
    larger_base_scores: Input[Score],
    study: Output[Report],
    params: CompareParams,
) -> Metrics:
    """Put the study's arms side by side: study.html, study.json, and every arm's report in a folder of its name."""
    from components.report.comparison import write_study

    reports = {"broad": broad, "broad_less": broad_less, "local": local, "larger_base": larger_base}
    scores = {"broad": broad_scores, "broad_less": broad_less_scores, "larger_base": larger_base_scores}
    claims = write_study(
        study.folder,
        {name: port.folder for name, port in reports.items()},
        {name: port.rows() for name, port in scores.items()},
        title=params.title,
        plain=params.plain,
        with_claims=params.with_claims,
        arms=params.arms,
    )
    study.commit(notes={"claims": [claim.holds for claim in claims]})
    return {"claims": float(len(claims)), "claims_that_hold": float(sum(claim.holds for claim in claims))}


class GatherParams(BaseModel):
    """The cells that a loop made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    cells: tuple[Cell, ...] = ()
    """Those that come with this call."""


def gather_cells(
    *,
    reports: Inputs[Report],
    scores: Inputs[Score],
    base: Input[Checkpoint],
    base_scores: Input[Score],
    target_scores: Input[Score],
    earlier: Input[CellResults] = Nothing(CellResults),  # noqa: B008
    cells: Output[CellResults],
    params: GatherParams,
) -> Metrics:
    """Put the finished cells of a loop, all of one base, beside those of the loops before.

    Raises:
        TouchstoneError: a cell's report or scores are missing, or there are two of them.
    """
    from components.report.sweeping.sweep_cells import gather

    return {"cells": float(gather(reports, scores, base, base_scores, target_scores, earlier, params.cells, cells))}


class CompareCellsParams(BaseModel):
    """How the cells of a sweep are set side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str = "Sweep"
    """Heading of the page."""
    policy: Policy = Policy()
    """Its alpha, and which benchmarks are behaviour."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Of the curves' intervals."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the resampling."""


def compare_cells(*, cells: Input[CellResults], study: Output[Report], params: CompareCellsParams) -> Metrics:
    """Curves over data and bases, capability against style, one row a cell: sweep.html, sweep.json, every report."""
    from components.report.sweeping.sweep_page import write_sweep

    made = write_sweep(cells, study.folder, params)
    study.commit(notes={"verdicts": {cell.cell.name: cell.verdict for cell in made.cells}})
    return {"cells": float(len(made.cells)), "curves": float(len(made.curves))}


def _metrics(gap_closed: float | None, closeness: float | None, *, passed: bool) -> Metrics:
    found = {"gap_closed": gap_closed, "style_closeness": closeness, "gate_passed": float(passed)}
    return {name: value for name, value in found.items() if value is not None}
