"""Rows that pass between the steps of this box: what was asked, what came back, and whether a judge has drifted."""

from __future__ import annotations

from typing import Literal

from components.contracts.rows import Count, Row

Order = Literal["model_first", "opponent_first", "none"]


class VerdictPair(Row):
    """Two answers to one prompt in one order, or the reason why no question about them goes out."""

    id: str
    """The Request's id, and so the prompt_id of the Completion that holds the judge's reply."""
    prompt_id: str
    """The Prompt's id."""
    model: str
    """The model under test."""
    opponent: str
    """The model it is compared with."""
    order: Order
    """Which answer is shown first; none = nothing is shown."""
    same: bool = False
    """Both answers read the same but for white space: a tie, and nothing is asked."""
    unasked: str | None = None
    """Why nothing is asked although the answers differ."""


class JudgeReply(Row):
    """What a judge said of one pair in one order, word for word, and what was read out of it."""

    request_id: str
    """The Request's id."""
    prompt_id: str
    """The Prompt's id."""
    model: str
    """The model under test."""
    opponent: str
    """The model it is compared with."""
    order: Order
    """Which answer was shown first."""
    text: str
    """The reply as it came; empty where there is none."""
    finish: str
    """stop, length (cut) or unknown."""
    verdict: Literal["first", "second", "tie"] | None
    """The place that was preferred; null when the verdict could not be read."""
    unscored: str | None = None
    """Why `verdict` is null."""


class DriftCheck(Row):
    """One thing in which a judge asked again may differ from itself."""

    measure: Literal["preference", "changed", "unscored"]
    """preference: mean credit of the model under test (win 1, tie one half). changed: share of pairs with another
    outcome. unscored: share of pairs whose verdict could not be read."""
    n: Count
    """Pairs behind it."""
    before: float | None
    """The share of the frozen judgments; null for `changed`."""
    after: float | None
    """The share now."""
    change: float | None
    """after - before; for `changed` the share itself; null when nothing could be compared."""
    ci: tuple[float, float] | None
    """Interval of `change` by prompts; null when there are too few."""
    warns: bool
    """The change lies beyond its interval (for `changed`: beyond what is allowed)."""
    sentence: str
    """The same in words."""
