"""The audit: files -> rows -> style and support -> verdict -> folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contracts import bind
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import PublishedScore
from components.contracts.ports import write_rows
from components.contracts.rows import Completion, Row, TaskItem
from components.contracts.verdict import Verdict
from components.report.policy import Policy, load_policy, policy_from
from pipelines.audit.attribution import attribute_outputs, with_attribution
from pipelines.audit.decide import Settings, decide_from, write_settings
from pipelines.audit.earlier_looks import LOOKS, looks_before, remark
from pipelines.audit.evaluations import COMPLETIONS, is_finished
from pipelines.audit.gather import Gathered, gather
from pipelines.audit.imitation_data import measure_data
from pipelines.audit.page import costs_of, page_extras
from pipelines.audit.place import ROWS, staged
from pipelines.audit.request import AuditRequest


@dataclass(frozen=True)
class Audit:
    """A finished audit."""

    folder: Path
    verdict: Verdict
    joins: tuple[str, ...]
    """One line a join: how many met."""


def run_audit(request: AuditRequest) -> Audit:
    """Read, compare, decide, and put the result into `request.out`. An earlier audit there stays until it is replaced.

    Raises:
        UsageError: no folder to write, a policy that cannot be understood, or a folder that is not ours.
        TouchstoneError: bad input, or the folder cannot be written.
    """
    if request.out is None:
        raise UsageError("no folder for the result", expected="--out DIR, or out: in audit.yaml")
    # Imported here: `touchstone audit --help` must not wait for jinja2.
    from components.report.report_files import write_pages

    policy = _policy(request)
    with staged(request.out) as stage:
        found = gather(request)
        rows = stage / ROWS
        _write(rows, found)
        remarks = [*found.remarks, *_measure(rows, found, policy)]
        _rate_tones(rows, request)
        before = looks_before(request.out, rows)
        settings = Settings(
            policy=policy,
            models=dict(found.models),
            title=request.title,
            redact=request.redact,
            remarks=(*remark(before, rows, policy.alpha), *remarks),
            costs=tuple(costs_of(rows, request.evaluations)),
            provenance={**_provenance(found), **({LOOKS: before} if before else {})},
        )
        verdict = with_attribution(decide_from(rows, settings), rows)
        write_pages(stage, verdict, page_extras(verdict, request, rows, settings))
        write_settings(rows, settings)
    joins = [f"{join.name}: {join.matched} of {join.union} matched" for join in found.joins]
    return Audit(request.out, verdict, tuple(joins))


def _policy(request: AuditRequest) -> Policy:
    if isinstance(request.policy, str):
        return load_policy(request.policy)
    return policy_from(request.policy, where="policy of the audit file", name="audit file")


def _write(rows: Path, found: Gathered) -> None:
    published = [*found.published.scores, *(row for file in found.scores.values() for row in file.published)]
    ports: dict[str, Sequence[Row]] = {
        **{f"{role}_outputs": entry.completions for role, entry in found.outputs.items()},
        **{f"{role}_scores": file.scores for role, file in found.scores.items()},
        **{f"{role}_variants": rows for role, rows in found.variants.items()},
        "published": _preferring_typed(published, found),
        "published_style": found.published.style,
        "claims": found.claims,
        "judgments": found.judgments.rows,
        "gold": found.gold,
        "dialogues": found.dialogues,
        "removed": found.removed,
        "items": _items(found),
    }
    for name, content in ports.items():
        if content:
            write_rows(rows / name, type(content[0]), content)


def _preferring_typed(rows: Iterable[PublishedScore], found: Gathered) -> list[PublishedScore]:
    """One number a benchmark and role: the one typed in, where a results file gives another."""
    typed = {(row.benchmark, row.role) for row in found.published.scores}
    kept = [row for row in rows if row in found.published.scores or (row.benchmark, row.role) not in typed]
    return list(dict.fromkeys(kept))


def _items(found: Gathered) -> list[TaskItem]:
    """Questions of all items, from whichever log or evaluation holds them."""
    items = {(item.benchmark, item.id): item for file in found.scores.values() for item in file.items}
    items |= {(item.benchmark, item.id): item for item in found.items}
    return list(items.values())


def _measure(rows: Path, found: Gathered, policy: Policy) -> list[str]:
    """Style profiles, what is known of the imitation data, and whose hand, by the steps that a pipeline runs."""
    if found.outputs:
        from components.style import step as style_step

        paths = {role: rows / f"{role}_outputs" for role in found.outputs}
        if "target_second" not in paths:
            paths["target_second"] = rows / "target_second_outputs"
            write_rows(paths["target_second"], Completion, [])
        made = {name: rows / name for name in ("profiles", "features")}
        bind.call(style_step.style, params={}, **paths, **made)
    remarks = measure_data(rows, found, _items(found), policy) if found.dialogues else []
    return [*remarks, *attribute_outputs(rows, policy)] if found.outputs else remarks


def _rate_tones(rows: Path, request: AuditRequest) -> None:
    """How sure the replies behind the scores sound, of roles given as evaluations: their replies are at hand."""
    from components.style.step import rate_tone

    for role, place in request.evaluations.items():
        if not is_finished(place / COMPLETIONS):
            continue  # scores that were brought from elsewhere
        ports = {"scores": rows / f"{role}_scores", "completions": place / COMPLETIONS, "tones": rows / f"{role}_tones"}
        bind.call(rate_tone, params=None, **ports)


def _provenance(found: Gathered) -> dict[str, object]:
    return {
        "command": "touchstone audit",
        "files": dict(found.files),
        "matched": {join.name: join.summary() for join in found.joins},
        "judgments_left_out": dict(found.judgments.skipped),
        "imitation_data": {"dialogues": len(found.dialogues), "removed": len(found.removed)},
    }
