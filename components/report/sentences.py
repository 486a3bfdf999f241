"""The verdict in words: one sentence for a manager, and what would change it."""

from __future__ import annotations

from components.report.prose import and_list, percent, points, times
from components.report.rules import Court, over
from components.report.settling import settling

SUPPORT_REMEDY = (
    "give the imitation data (`--train`) and scores that carry their questions, or declare `supported:` for each"
    " benchmark in audit.yaml"
)


def reason(court: Court) -> str:
    """Why the verdict is what it is, in one plain sentence that names benchmarks and numbers."""
    write = {
        "CAPABILITY": _capability,
        "LOCAL": _local,
        "STYLE_ONLY": _style_only,
        "REGRESSION": _regression,
        "INCONCLUSIVE": _inconclusive,
    }[court.verdict]
    return write(court) + "."


def would_change(court: Court) -> tuple[str, ...]:
    """What every rule before the one that decided lacks, by how much, and the n that would show it."""
    rules = (("CAPABILITY", court.capability), ("LOCAL", court.local), ("STYLE_ONLY", court.style_only))
    found = []
    for word, condition in rules:
        if word == court.verdict:
            break
        if condition.missing:
            found.append(f"Not {word}: {'; '.join(condition.missing)}.")
    if court.support_blocks:
        found.insert(0, f"Not CAPABILITY: this policy demands known support; {SUPPORT_REMEDY}.")
    elif court.verdict == "CAPABILITY" and any(b.evidence.coverage.source == "unknown" for b in court.unsupported):
        found.append(f"Benchmarks that the imitation data cover would not count; {SUPPORT_REMEDY}.")
    if court.verdict == "LOCAL" and court.support_unknown:
        found.append(f"Whether the gain was to be expected from the data is not known; {SUPPORT_REMEDY}.")
    closed = court.pooled(court.everything).gap_closed
    grey = (max(0.0, court.policy.negligible_gap_closed - 0.05), court.policy.capability_gap_closed)
    if court.verdict == "INCONCLUSIVE" and closed is not None and grey[0] <= closed < grey[1]:
        found.append(
            f"A true gap closed between {percent(grey[0])} and {percent(grey[1])} stays mostly INCONCLUSIVE by design:"
            " too much for nothing, too little for capability."
        )
    plan = settling(court) if court.verdict == "INCONCLUSIVE" else None
    if plan is not None:
        listed = ", ".join(f"{name} {size:,}" for name, size in plan.items.items())
        found.append(
            f"These numbers tend to {plan.word}; about {times(plan.growth)} times the items should settle it, one way"
            f" or another ({listed})."
        )
    return tuple(found)


def _capability(court: Court) -> str:
    members = court.unsupported
    total = court.pooled(members)
    unknown = any(b.evidence.coverage.source == "unknown" for b in members)
    outside = "on more than one task" if unknown else "on tasks its training data do not cover"
    if total.gap_closed is None or total.ci is None or total.gap_closed < court.policy.capability_gap_closed:
        # Broad by single gains: a small pooled share would understate what was found.
        return f"The imitator does better {outside}: {_gains(court)}{_losses(court, '; ')}"
    spread = f" ({percent(total.ci[0])} to {percent(total.ci[1])})"
    return (
        f"The imitator does better {outside}: {over(members)} it closed {percent(total.gap_closed)}{spread}"
        f" of the gap between base and target{_losses(court, '; ')}"
    )


def _gains(court: Court) -> str:
    found = []
    for b in court.gained:
        r = b.result
        assert r.base is not None
        assert r.imitator is not None
        assert r.gap_closed is not None
        found.append(
            f"{r.name} rose from {100 * r.base:.1f}% to {100 * r.imitator:.1f}%,"
            f" closing {percent(r.gap_closed)} of its gap"
        )
    return and_list(found)


def _local(court: Court) -> str:
    rest = court.ungained
    if rest:
        upper = court.pooled(rest).ci
        assert upper is not None
        elsewhere = f"{over(rest)} it closed {_at_most(upper[1])}"
    else:
        elsewhere = "whether it gained anywhere else is not known, as no other benchmark was measured"
    lead = "gained in places, not in general" if rest else "gained on what was measured"
    return f"The imitator {lead}: {_gains(court)}{_predicted(court)}; {elsewhere}{_losses(court, '; ')}"


def _predicted(court: Court) -> str:
    """Whether the support map saw the gains coming."""
    covered = {b.evidence.coverage.supported for b in court.gained}
    them = "it" if len(court.gained) == 1 else "them"
    if covered == {True}:
        return f", as its training data cover {them}"
    if covered == {False}:
        return f", although its training data do not cover {them}"
    if None in covered:
        return f", and whether its training data cover {them} is not known"
    return ", partly covered by its training data"


def _at_most(upper: float) -> str:
    return "none of the gap to the target" if upper <= 0 else f"at most {percent(upper)} of the gap to the target"


def _style_only(court: Court) -> str:
    closeness, upper = court.style.closeness, court.pooled(court.everything).ci
    assert closeness is not None
    assert upper is not None
    bound = "at least " if court.style.lower_bound else ""
    return (
        f"The imitator took on the target's style ({bound}{percent(closeness)} of the way from the base) but not its"
        f" ability: {over(court.everything)} it closed {_at_most(upper[1])}{_losses(court, ', and ')}"
    )


def _losses(court: Court, lead: str) -> str:
    if not court.regressed:
        return ""
    return lead + and_list([f"{b.name} got worse by {points(-(b.result.delta or 0.0))}" for b in court.regressed])


def _regression(court: Court) -> str:
    critical = [b.name for b in court.regressed if court.policy.is_critical(b.name)]
    if critical:
        tail = f", and {and_list(critical)} must not regress under this policy"
    elif court.style.closeness is None:
        tail = ", and that it took on the target's style is not shown"
    else:
        tail = f", and it did not take on the target's style either ({percent(court.style.closeness)} of the way)"
    return f"The imitator lost ability: {_losses(court, '')}{tail}"


def _inconclusive(court: Court) -> str:
    if not court.everything:
        given = "no benchmark of capability was given" if not court.benchmarks else "no given benchmark is usable"
        return f"These data cannot tell capability from style: {given}"
    if court.support_blocks:
        return f"{_capability(court)}, but what its training data cover is not known and this policy demands it"
    if court.gained:
        missing = court.local.missing
        return f"These data cannot tell: {_gains(court)}, but {missing[0]}"
    closed = court.pooled(court.unsupported).gap_closed
    high = closed is not None and closed >= court.policy.capability_gap_closed
    missing = court.capability.missing if high else court.style_only.missing
    return f"These data cannot tell capability from style: {missing[0]}"
