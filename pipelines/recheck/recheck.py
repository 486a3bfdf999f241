"""The verdict of an audit's saved rows, with what another policy or an earlier look changes about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import TouchstoneError
from components.contracts.verdict import Verdict
from components.report.policy import Policy, load_policy
from components.report.policy_diff import changed_conclusions, changed_rules
from pipelines.audit.attribution import with_attribution
from pipelines.audit.decide import decide_from, read_settings, recompute
from pipelines.audit.place import ROWS
from pipelines.recheck.looks import looks_at
from pipelines.recheck.redaction import redacted


@dataclass(frozen=True)
class Recheck:
    """A verdict and what to say about how it was reached."""

    verdict: Verdict
    notes: tuple[str, ...]
    """Lines for a person; empty when nothing was asked but to recompute."""


def recheck(
    folder: Path,
    *,
    policy: str | None = None,
    earlier: Sequence[Path] = (),
    planned: Sequence[str] = (),
    redact: bool = False,
) -> Recheck:
    """Recompute an audit from its rows; nothing is written.

    Args:
        folder: A finished audit.
        policy: Another policy, by file or preset.
        earlier: Audits of the same run when it had fewer items, in the order in which they were looked at.
        planned: Items that the run was to have in the end, `BENCHMARK=ITEMS` or a number for the only one. Alpha is
            then spent over the looks; without, it is not.
        redact: Leave ids out of the verdict that may be texts, as the audit's own option does.

    Raises:
        TouchstoneError: not an audit, rows that were changed, or earlier rows that are no part of these.
        UsageError: a policy that cannot be understood, or looks that do not grow.
    """
    with _of_an_audit(folder):
        return _recheck(folder, policy, earlier, planned, redact=redact)


@contextmanager
def _of_an_audit(folder: Path) -> Iterator[None]:
    """A step's own remedy, to remove an artifact, would here lead to a verdict without those rows."""
    try:
        yield
    except TouchstoneError as error:
        if str(folder / ROWS) not in error.remedy:
            raise
        raise TouchstoneError(
            error.found, expected=error.expected, remedy="restore the file, or run the audit again"
        ) from error


def _recheck(
    folder: Path, policy: str | None, earlier: Sequence[Path], planned: Sequence[str], *, redact: bool
) -> Recheck:
    settings = read_settings(folder)
    if redact:
        settings = redacted(settings)
    rules = settings.policy if policy is None else load_policy(policy)
    looks = looks_at(folder, earlier, planned, rules.alpha)
    notes = [looks.said] if looks else []
    judged = rules.model_copy(update={"alpha": looks.level}) if looks and looks.level is not None else rules
    verdict = decide_from(folder / ROWS, settings.model_copy(update={"policy": judged}))
    asked_at = settings.policy.alpha
    verdict = with_attribution(verdict, folder / ROWS, made_at=asked_at if judged.alpha != asked_at else None)
    record: dict[str, object] = {}
    if looks:
        record["looks"] = {
            "earlier": len(earlier),
            "planned_items": looks.planned,
            "alpha": rules.alpha,
            "level": judged.alpha,
            "said": looks.said,
        }
    if policy is not None:
        before = recompute(folder)
        notes += _policy_notes(settings.policy, rules, before, verdict)
        record |= {
            "registered_policy": settings.policy.digest,
            "policy_changed": settings.policy.digest != rules.digest,
            "changed_rules": [str(change) for change in changed_rules(settings.policy, rules)],
            "changed_conclusions": [str(change) for change in changed_conclusions(before, verdict)],
        }
    return Recheck(verdict.model_copy(update={"provenance": {**verdict.provenance, **record}}), tuple(notes))


def _policy_notes(old: Policy, new: Policy, before: Verdict, after: Verdict) -> list[str]:
    rules, said = changed_rules(old, new), changed_conclusions(before, after)
    if not rules:
        return [f"{new.name} has the rules that this audit was made by ({old.name}): nothing changes."]
    lines = [f"By {new.name} instead of {old.name}, which this audit was made by:"]
    lines += [f"  rule  {change}" for change in rules]
    lines += [f"  says  {change}" for change in said] or ["  no conclusion changes"]
    return lines
