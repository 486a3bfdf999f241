"""The verdict of an audit's saved rows, with what another policy or an earlier look changes about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input
from components.contracts.rows import Score
from components.contracts.verdict import Verdict
from components.report.policy import Policy, load_policy
from components.report.policy_diff import changed_conclusions, changed_rules
from components.report.sequential import error_unspent, spending_levels, spent
from pipelines.audit.attribution import with_attribution
from pipelines.audit.decide import decide_from, read_settings, recompute
from pipelines.audit.place import ROWS
from pipelines.recheck.redaction import redacted

PORTS = ("base_scores", "imitator_scores", "target_scores")
Values = dict[tuple[str, str, str], float | None]


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
    planned: int | None = None,
    redact: bool = False,
) -> Recheck:
    """Recompute an audit from its rows; nothing is written.

    Args:
        folder: A finished audit.
        policy: Another policy, by file or preset.
        earlier: Audits of the same run when it had fewer items, in the order in which they were looked at.
        planned: Items that the run was to have in the end. Alpha is then spent over the looks; without, it is not.
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
    folder: Path, policy: str | None, earlier: Sequence[Path], planned: int | None, *, redact: bool
) -> Recheck:
    settings = read_settings(folder)
    if redact:
        settings = redacted(settings)
    rules = settings.policy if policy is None else load_policy(policy)
    level, notes = _looks(folder, earlier, planned, rules.alpha)
    judged = rules if level is None else rules.model_copy(update={"alpha": level})
    verdict = decide_from(folder / ROWS, settings.model_copy(update={"policy": judged}))
    asked_at = settings.policy.alpha
    verdict = with_attribution(verdict, folder / ROWS, made_at=asked_at if judged.alpha != asked_at else None)
    record: dict[str, object] = {}
    if notes:
        record["looks"] = {
            "earlier": len(earlier),
            "planned_items": planned,
            "alpha": rules.alpha,
            "level": judged.alpha,
            "said": notes[0],
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


def _looks(folder: Path, earlier: Sequence[Path], planned: int | None, alpha: float) -> tuple[float | None, list[str]]:
    """The level of this look, None for the policy's own, and what to say of it."""
    if not earlier and planned is None:
        return None, []
    runs = [_values(path) for path in (*earlier, folder)]
    for path, first, second in zip(earlier, runs[:-1], runs[1:], strict=True):
        _check_grown(path, first, second)
    sizes = [_num_items(run) for run in runs]
    listed = ", ".join(f"{size:,}" for size in sizes)
    if planned is None:
        error = error_unspent([size / sizes[-1] for size in sizes], alpha)
        return None, [
            f"Look {len(sizes)} at this run (items: {listed}). Alpha is not spent: looks at {alpha:g} each find"
            f" something that is not there in {error:.1%}, not {alpha:.1%}. --planned-items would spend it."
        ]
    if sizes[-1] > planned:
        raise UsageError(
            f"{folder} has {sizes[-1]:,} items, {planned:,} were planned",
            expected="no more items than planned",
            remedy="give the number that was planned before the first look; alpha was to be spent by then",
        )
    fractions = [size / planned for size in sizes]
    level = spending_levels(fractions, alpha)[-1]
    return level, [
        f"Look {len(sizes)} at this run of {planned:,} planned items (items: {listed}): judged at {level:.3g} so that"
        f" all looks together err at {alpha:g}; {spent(fractions[-1], alpha):.3g} is spent by now."
    ]


def _values(folder: Path) -> Values:
    """Item scores of an audit: (port, benchmark, item) -> value."""
    read_settings(folder)  # refuses what is no audit
    found: Values = {}
    for port in PORTS:
        path = folder / ROWS / port
        if path.exists():
            for row in Input(path, Score).iter_rows():
                found[port, row.benchmark, row.item_id] = row.value
    if not found:
        raise TouchstoneError(
            f"{folder} holds published numbers only",
            expected="item scores: looks are counted in items",
            remedy="leave out --earlier and --planned-items",
        )
    return found


def _num_items(run: Values) -> int:
    return len({key[1:] for key in run if key[0] in PORTS[:2]})


def _check_grown(path: Path, earlier: Values, later: Values) -> None:
    """An earlier look's scores must all be among the later one's, unchanged."""
    lost = [key for key in earlier if key not in later]
    other = [key for key in earlier if key in later and later[key] != earlier[key]]
    if lost or other:
        (port, benchmark, item), kind = (lost or other)[0], "is missing" if lost else "has another score"
        raise TouchstoneError(
            f"{path} is no earlier look at this run: {benchmark} item {item} of its {port} {kind}"
            f" ({len(lost)} missing, {len(other)} changed)",
            expected="every item of the earlier look, with the same score",
            remedy="an audit of another run or of other answers is not a look at this one; leave it out",
        )
