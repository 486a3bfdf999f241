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
from pipelines.audit.decide import SETTINGS_FILE, Settings
from pipelines.audit.evaluations import COMPLETIONS, is_finished
from pipelines.audit.place import ROWS, SETTINGS
from pipelines.audit.request import OUTPUT_ROLES, AuditRequest, ScoreRole

NUM_EXAMPLES = 3


def page_extras(verdict: Verdict, request: AuditRequest, rows: Path, settings: Settings) -> ReportExtras:
    """Everything the page shows that verdict.json does not hold.

    Args:
        verdict: The audit's.
        request: What was asked; its `redact` leaves out texts.
        rows: Folder with the audit's rows.
        settings: The audit's.
    """
    assert request.out is not None
    command = f"touchstone verdict {shlex.quote(shown(request.out))}"
    made = extras_of(rows, settings, command=command)
    made = made.model_copy(update={"sure_and_wrong": _wrong(verdict, request, rows)})
    return redact_extras(made) if request.redact else made


def extras_of(rows: Path, settings: Settings, *, command: str, beside: str = ROWS) -> ReportExtras:
    """What can be shown from an audit's rows alone.

    Args:
        rows: Their folder.
        settings: The audit's: heading of the page, costs.
        command: What to type for the same verdict.
        beside: Where the page finds that folder.
    """
    return ReportExtras(
        title=settings.title,
        examples=_examples(rows),
        sources=(*_sources(rows, beside), _settings_source(beside)),
        command=command,
        costs=settings.costs,
    )


def shown(out: Path) -> str:
    """A folder as a page may name it: a full path would carry this machine into it."""
    return out.name if out.is_absolute() else str(out)


def _outputs(rows: Path, role: Role) -> Input[Completion]:
    return Input(rows / f"{role}_outputs", Completion)


def _examples(rows: Path) -> tuple[ExampleOutput, ...]:
    """A few prompts with all answers, drawn by hash: nobody picked them."""
    roles: tuple[Role, ...] = ("base", "imitator", "target", "target_second")
    ports = {role: _outputs(rows, role) for role in roles if is_finished(rows / f"{role}_outputs")}
    texts = {role: {row.prompt_id: row for row in port.iter_rows()} for role, port in ports.items()}
    texts = {role: found for role, found in texts.items() if found}
    if not texts:
        return ()
    shared = set.intersection(*(set(found) for found in texts.values()))
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


def _sources(rows: Path, beside: str) -> Iterable[RowSource]:
    from components.contracts import manifest

    for folder in sorted(path for path in rows.iterdir() if path.name != SETTINGS and is_finished(path)):
        made = manifest.read(folder)
        if made.files:
            href = f"{beside}/{folder.name}/{made.files[0].name}"
            yield RowSource(name=folder.name, rows=made.num_rows, digest=made.digest, href=href)


def _settings_source(beside: str) -> RowSource:
    """Costs of texts that are not kept with an audit are on record there."""
    return RowSource(name=SETTINGS, rows=0, digest="", href=f"{beside}/{SETTINGS}/{SETTINGS_FILE}")


def costs_of(rows: Path, evaluations: Mapping[ScoreRole, Path]) -> Iterable[CostLine]:
    """What is known of tokens and money; a role of which nothing is known has no line.

    Args:
        rows: Folder with the audit's rows.
        evaluations: Role -> evaluation it was given as, whose replies are counted in place of its answers to prompts.
    """
    for role in OUTPUT_ROLES:
        if not is_finished(rows / f"{role}_outputs"):
            continue
        what, port, kept = f"{role.replace('_', ' ')}, answers to prompts", _outputs(rows, role), f"{role}_outputs"
        place = evaluations.get(role) if role != "target_second" else None
        if place is not None and is_finished(place / COMPLETIONS):
            what, port, kept = f"{role}, all replies", Input(place / COMPLETIONS, Completion), ""
        line = CostLine.of(what, port.iter_rows(), port.manifest.notes.get("cost_usd"), port=kept)
        if line.tokens is not None or line.usd is not None:
            yield line
