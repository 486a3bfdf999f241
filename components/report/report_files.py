"""What a report's folder holds: verdict.json, the page, and the page in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Nothing
from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Completion, Score, TaskItem
from components.contracts.training_rows import TrainingStep
from components.contracts.verdict import Verdict
from components.report.html import render_html
from components.report.joining import Part
from components.report.markdown import render_markdown
from components.report.page_inputs import CostLine, ExampleOutput, ReportExtras, RowSource
from components.report.redaction import redact_extras, redact_verdict
from components.report.wrong_examples import Said, wrong_examples

VERDICT_FILE, PAGE_FILE, MARKDOWN_FILE = "verdict.json", "report.html", "report.md"


class Replies(NamedTuple):
    """What one model said about the scored items."""

    scores: Input[Score]
    tones: Input[ToneScore]
    replies: Input[Completion]


def write_pages(folder: Path, verdict: Verdict, extras: ReportExtras) -> None:
    """Write the three files.

    Args:
        folder: Where they go.
        verdict: What they say.
        extras: What the pages show beside it.
    """
    (folder / VERDICT_FILE).write_text(verdict.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / PAGE_FILE).write_text(render_html(verdict, extras=extras), encoding="utf-8")
    (folder / MARKDOWN_FILE).write_text(render_markdown(verdict, extras=extras), encoding="utf-8")


def write_report(
    folder: Path,
    verdict: Verdict,
    ports: Mapping[str, Input[Any]],
    said: Mapping[Part, Replies],
    items: Input[TaskItem],
    curve: Input[TrainingStep],
    *,
    title: str | None,
    redact: bool,
) -> Verdict:
    """Write a step's report; gives the verdict as it was written.

    Args:
        folder: Where it goes.
        verdict: What it says.
        ports: Name -> what the verdict was made of; those that were not given are no source.
        said: Of each model, for the examples.
        items: Their questions.
        curve: The imitator's training.
        title: Heading of the page.
        redact: Leave texts out.
    """
    extras = ReportExtras(
        title=title,
        course=tuple(curve.iter_rows()),
        sure_and_wrong=_wrong(verdict, said, items),
        sources=tuple(_sources(ports)),
        costs=(*_costs(said), *_judge_costs(ports)),
    )
    if redact:
        verdict, extras = redact_verdict(verdict), redact_extras(extras)
    write_pages(folder, verdict, extras)
    return verdict


def _wrong(verdict: Verdict, said: Mapping[Part, Replies], items: Input[TaskItem]) -> tuple[ExampleOutput, ...]:
    at_hand = {part: made for part, made in said.items() if not isinstance(made.replies, Nothing)}
    return wrong_examples(
        verdict,
        {part: Said(s.scores.iter_rows(), s.tones.iter_rows(), s.replies.iter_rows()) for part, s in at_hand.items()},
        items.iter_rows() if at_hand else (),
    )


def _sources(ports: Mapping[str, Input[Any]]) -> Iterator[RowSource]:
    for name, port in ports.items():
        if not isinstance(port, Nothing) and port.manifest.num_rows:
            yield RowSource(name=name, rows=port.manifest.num_rows, digest=port.digest)


def _costs(said: Mapping[Part, Replies]) -> Iterator[CostLine]:
    """What is known of tokens and money; a model of which nothing is known has no line."""
    for part, made in said.items():
        if isinstance(made.replies, Nothing):
            continue
        line = CostLine.of(
            f"{part}, all replies",
            made.replies.iter_rows(),
            made.replies.manifest.notes.get("cost_usd"),
            port=f"{part}_replies",
        )
        if line.tokens is not None or line.usd is not None:
            yield line


def _judge_costs(ports: Mapping[str, Input[Any]]) -> Iterator[CostLine]:
    """What judges behind a server were paid, where their prices are known."""
    for name in ("judgments", "placebo_judgments"):
        port = ports.get(name, Nothing(Judgment))
        server = port.manifest.notes.get("server")
        usd = server.get("cost_usd") if isinstance(server, Mapping) else None
        if isinstance(usd, int | float):
            judge = port.manifest.notes.get("judge")
            named = judge.get("name") if isinstance(judge, Mapping) else judge
            what = f"{named or 'judge'}, verdicts"
            yield CostLine(what=what, replies=port.manifest.num_rows, usd=float(usd), port=name)
