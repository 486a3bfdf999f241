"""What an audit's page is given beside the verdict: answers, rows, costs."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.contracts.ports import Input
from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Completion, Role, Score, TaskItem
from components.contracts.verdict import Verdict
from components.report.joining import Part
from components.report.page_inputs import CostLine, ExampleOutput, ReportExtras, RowSource
from components.report.redaction import redact_extras
from components.report.wrong_examples import Said, wrong_examples
from pipelines.audit.evaluations import COMPLETIONS, is_finished
from pipelines.audit.gather import Gathered
from pipelines.audit.place import ROWS, SETTINGS
from pipelines.audit.request import AuditRequest

NUM_EXAMPLES = 3


def page_extras(verdict: Verdict, found: Gathered, request: AuditRequest, rows: Path) -> ReportExtras:
    """Everything the page shows that verdict.json does not hold.

    Args:
        verdict: The audit's.
        found: What was read.
        request: What was asked; its `redact` leaves out texts.
        rows: Folder with the audit's rows.
    """
    assert request.out is not None
    made = ReportExtras(
        title=request.title,
        examples=_examples(found),
        sure_and_wrong=_wrong(verdict, request, rows),
        sources=tuple(_sources(rows)),
        command=f"touchstone verdict {shlex.quote(_shown(request.out))}",
        costs=tuple(_costs(found, request)),
    )
    return redact_extras(made) if request.redact else made


def _shown(out: Path) -> str:
    # A full path would carry this machine into the report.
    return out.name if out.is_absolute() else str(out)


def _examples(found: Gathered) -> tuple[ExampleOutput, ...]:
    """A few prompts with all answers, drawn by hash: nobody picked them."""
    texts: Mapping[Role, dict[str, Completion]] = {
        role: {row.prompt_id: row for row in entry.completions} for role, entry in found.outputs.items()
    }
    if not texts:
        return ()
    shared = set.intersection(*(set(rows) for rows in texts.values()))
    drawn = sorted(shared, key=lambda prompt: hashlib.sha256(prompt.encode()).hexdigest())[:NUM_EXAMPLES]
    return tuple(
        ExampleOutput(
            prompt=texts["target"][prompt].prompt or f"prompt {prompt}",
            base=texts["base"][prompt].text,
            imitator=texts["imitator"][prompt].text,
            target=texts["target"][prompt].text,
            note="drawn at random",
        )
        for prompt in drawn
    )


def _wrong(verdict: Verdict, request: AuditRequest, rows: Path) -> tuple[ExampleOutput, ...]:
    """Of roles given as evaluations: only their replies are at hand."""
    said: dict[Part, Said] = {}
    for role, place in request.evaluations.items():
        tones = rows / f"{role}_tones"
        if is_finished(place / COMPLETIONS) and is_finished(tones):
            said[role] = Said(
                Input(rows / f"{role}_scores", Score).iter_rows(),
                Input(tones, ToneScore).iter_rows(),
                Input(place / COMPLETIONS, Completion).iter_rows(),
            )
    items = Input(rows / "items", TaskItem).iter_rows() if is_finished(rows / "items") else ()
    return wrong_examples(verdict, said, items)


def _sources(rows: Path) -> Iterable[RowSource]:
    from components.contracts import manifest

    for folder in sorted(path for path in rows.iterdir() if path.name != SETTINGS and is_finished(path)):
        made = manifest.read(folder)
        if made.files:
            href = f"{ROWS}/{folder.name}/{made.files[0].name}"
            yield RowSource(name=folder.name, rows=made.num_rows, digest=made.digest, href=href)


def _costs(found: Gathered, request: AuditRequest) -> Iterable[CostLine]:
    """What is known of tokens and money; a role of which nothing is known has no line."""
    for role, entry in found.outputs.items():
        lines = [CostLine.of(f"{role.replace('_', ' ')}, answers to prompts", entry.completions)]
        place = request.evaluations.get(role) if role != "target_second" else None
        if place is not None and is_finished(place / COMPLETIONS):
            port = Input(place / COMPLETIONS, Completion)
            lines = [CostLine.of(f"{role}, all replies", port.iter_rows(), port.manifest.notes.get("cost_usd"))]
        yield from (line for line in lines if line.tokens is not None or line.usd is not None)
