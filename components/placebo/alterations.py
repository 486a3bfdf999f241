"""Changes of a text as data: what was put where. Applied to the original they give the placebo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from components.contracts.preference_rows import Alteration, PlaceboArm


class Change(NamedTuple):
    """Characters `begin` to `end` of a text give way to `after`; an empty `after` leaves them out."""

    begin: int
    end: int
    rule: str
    after: str


def apply(text: str, changes: Iterable[Change]) -> str:
    """The text with every change made.

    Args:
        text: The original.
        changes: Without overlap, in order of place; several at one place are put in as they come.
    """
    parts, done = [], 0
    for change in changes:
        assert done <= change.begin <= change.end <= len(text), "changes overlap or are out of order"
        parts += [text[done : change.begin], change.after]
        done = change.end
    return "".join([*parts, text[done:]])


def without_overlap(changes: Iterable[Change], taken: Sequence[tuple[int, int]] = ()) -> list[Change]:
    """The changes that meet neither an earlier one of the sequence nor a taken place, in order of place.

    Args:
        changes: The more important first.
        taken: Pairs (begin, end) that must stay as they are, in order and without overlap.
    """
    blocked = bytearray()
    for begin, end in taken:
        blocked.extend(bytes(begin - len(blocked)))
        blocked.extend(b"\x01" * (end - len(blocked)))
    kept = []
    for change in changes:
        if len(blocked) < change.end:
            blocked.extend(bytes(change.end - len(blocked)))
        if _is_free(blocked, change):
            blocked[change.begin : change.end] = b"\x01" * (change.end - change.begin)
            kept.append(change)
    return sorted(kept, key=lambda change: change.begin)


def _is_free(blocked: bytearray, change: Change) -> bool:
    if change.begin < change.end:
        return not any(blocked[change.begin : change.end])
    # What is only put in takes no place of its own: it must not part what belongs together.
    beside = blocked[max(0, change.begin - 1) : change.begin + 1]
    return len(beside) < 2 or not all(beside)


def as_rows(prompt_id: str, arm: PlaceboArm, text: str, changes: Iterable[Change]) -> list[Alteration]:
    """The log of a placebo."""
    return [
        Alteration(
            prompt_id=prompt_id,
            arm=arm,
            rule=change.rule,
            begin=change.begin,
            before=text[change.begin : change.end],
            after=change.after,
        )
        for change in changes
    ]


def replay(text: str, log: Iterable[Alteration]) -> str:
    """Make a logged placebo again from the original answer.

    Args:
        text: The answer before it was changed.
        log: Its rows, in the order in which they were written.
    """
    return apply(text, (Change(row.begin, row.begin + len(row.before), row.rule, row.after) for row in log))
