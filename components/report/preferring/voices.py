"""From votes to voices to outcomes: what a rater says over the orders shown, and what the raters say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment

Outcome = Literal["win", "tie", "loss"]
OPPOSITE: Mapping[Outcome, Outcome] = {"win": "loss", "tie": "tie", "loss": "win"}
_OTHER_ORDER: Mapping[str, Literal["model_first", "opponent_first", "none"]] = {
    "model_first": "opponent_first",
    "opponent_first": "model_first",
    "none": "none",
}
Votes = Mapping[str, Mapping[str, Outcome | None]]
"""Rater -> order -> outcome of one prompt; None = unreadable."""


def turned(row: Judgment) -> Judgment:
    """The same judgment with model and opponent exchanged."""
    return row.model_copy(
        update={
            "model": row.opponent,
            "opponent": row.model,
            "outcome": None if row.outcome is None else OPPOSITE[row.outcome],
            "order": _OTHER_ORDER[row.order],
            "score": row.opponent_score,
            "opponent_score": row.score,
        }
    )


def votes_of(rows: Iterable[Judgment]) -> dict[str, Votes]:
    """Prompt -> its votes, of one source and pair.

    Raises:
        TouchstoneError: one rater judged a prompt twice in the same order.
    """
    votes: dict[str, dict[str, dict[str, Outcome | None]]] = {}
    for row in rows:
        orders = votes.setdefault(row.prompt_id, {}).setdefault(row.rater, {})
        if row.order in orders:
            raise TouchstoneError(
                f"{row.source}: {row.rater} judged {row.model} against {row.opponent} on prompt {row.prompt_id}"
                " twice in the same order",
                expected="one judgment for each rater, prompt and order",
                remedy="give repeated votes a rater name of their own, or remove the duplicates",
            )
        orders[row.order] = row.outcome
    return dict(votes)


def voices_in(votes: Votes) -> dict[str, Outcome]:
    """Rater -> what it says over the orders shown, without those that cannot be read."""
    said = {rater: one_voice(orders) for rater, orders in votes.items()}
    return {rater: outcome for rater, outcome in said.items() if outcome is not None}


def disagree(orders: Mapping[str, Outcome | None]) -> bool:
    """Whether a rater's readable orders differ."""
    return len(set(orders.values()) - {None}) > 1


def one_voice(orders: Mapping[str, Outcome | None]) -> Outcome | None:
    """A rater's outcome over the orders shown; disagreement is a tie, an unreadable half leaves it unknown."""
    found = set(orders.values())
    if None in found:
        return None
    return found.pop() if len(found) == 1 else "tie"


def majority(votes: Sequence[Outcome | None]) -> Outcome | None:
    """The outcome that more than half of the readable votes name, else a tie; None when none is readable."""
    readable = [vote for vote in votes if vote is not None]
    if not readable:
        return None
    outcome, count = Counter(readable).most_common(1)[0]
    return outcome if 2 * count > len(readable) else "tie"
