"""What a reader must know before believing a number: lines of `warnings` on style, joins and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.contracts.evidence_rows import PublishedScore, PublishedStyle, StyleProfile
from components.contracts.verdict import StyleResult
from components.report.joining import ItemTable, Part
from components.report.prose import MOST_NAMES, and_list
from components.report.rules import Court
from components.report.sentences import SUPPORT_REMEDY

CHECKPOINT_NOTE = (
    "Intervals describe this checkpoint, not the recipe: further seeds would show how much another run differs."
)


def style_remarks(profiles: Sequence[StyleProfile], cells: Sequence[PublishedStyle], style: StyleResult) -> list[str]:
    """Of how style was measured."""
    remarks = []
    if profiles and cells:
        remarks.append("Style: outputs were given, so the published style table is not used.")
    prompts = len({row.prompt_id for row in profiles})
    if 0 < style.n < prompts:
        remarks.append(f"Style: {prompts - style.n} of {prompts} prompts were not answered by every model; left out.")
    foreign = sum(not row.english for row in profiles)
    if foreign:
        remarks.append(f"Style: {foreign} outputs are not English; left out of summary agreement and tone.")
    if style.lower_bound and style.closeness is not None:
        remarks.append(
            "Style: without a second sample of the target its own text is the ceiling; closeness is a lower bound."
        )
    return remarks


def join_remarks(joined: Mapping[str, ItemTable], printed: Mapping[str, Mapping[Part, PublishedScore]]) -> list[str]:
    """Of what joins left out, and of published numbers that were not needed."""
    remarks = []
    for name, table in joined.items():
        remarks += list(table.remarks)
        if table.drops.unmatched:
            remarks.append(
                f"{name}: {table.drops.unmatched} items that only one of base and imitator has were left out."
            )
        if table.drops.without_target:
            remarks.append(
                f"{name}: the target lacks {table.drops.without_target} items; gap and gap closed come from the others."
            )
        if table.drops.unscored:
            remarks.append(f"{name}: {table.drops.unscored} items could not be scored and were left out.")
        for part in sorted(set(printed.get(name, {})) & set(table.values)):
            remarks.append(f"{name}: item scores of the {part} are used, its published number is not.")
    return remarks


def court_remarks(court: Court) -> list[str]:
    """Of benchmarks that decide nothing, unknown support and critical benchmarks nobody measured."""
    remarks = []
    if court.support_unknown:
        unknown = [b.name for b in court.benchmarks if b.evidence.coverage.source == "unknown"]
        named = ", ".join(unknown) if len(unknown) <= MOST_NAMES else and_list(unknown)
        remarks.append(f"Support unknown for {named}: counted as not covered; {SUPPORT_REMEDY}.")
    for b in court.benchmarks:
        gap_ci, base, target = b.result.gap_ci, b.result.base, b.result.target
        if gap_ci is not None and gap_ci[1] < 0 and base is not None and target is not None:
            remarks.append(
                f"{b.name}: the target scores below the base ({100 * target:.1f}% < {100 * base:.1f}%): check that no"
                " two roles are swapped."
            )
        if b.label == "unusable":
            remarks.append(f"{b.name} is unusable and decides nothing: {b.result.gap_closed_reason}.")
        elif b.evidence.estimate.change is None or b.evidence.estimate.change.df <= 0:
            remarks.append(f"{b.name} decides nothing: {b.result.gap_closed_reason}.")
        elif b.evidence.estimate.contrasts is None:
            remarks.append(f"{b.name}: without the target's score its change enters no gap closed.")
    critical = [name for name in court.policy.critical if name != "*"]
    measured = {b.name for b in court.benchmarks}
    remarks += [f"{name} is critical in the policy and was not measured." for name in critical if name not in measured]
    return remarks
