"""Rows of ratings by people: what they are shown, where it was offered to them, and what they are owed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.contracts.rows import Count, Row

PairKind = Literal["headline", "gold", "repeat", "placebo"]
"""headline: counts in the result. gold: the right answer is known; it tells attentive raters. repeat: an earlier pair
shown again; it tells steady raters. placebo: one side is an answer that should not win."""

NOBODY = "nobody: both answers are the same"
"""The rater of a pair that shows one text twice: a tie that nobody is asked about. It is no person among raters."""
Outcome = Literal["win", "tie", "loss"]
Usd = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class StudyPair(Row):
    """Two answers to one prompt that people compare. Which stands on the left is drawn anew for every rater."""

    pair_id: str
    """Unique within the study; votes join on it. It tells a rater nothing: no model, no kind."""
    prompt_id: str
    """The Prompt's id."""
    prompt: str
    """The instruction that both answer."""
    model: str
    """The model that an outcome speaks of; never shown."""
    opponent: str
    """The other; never shown."""
    output: str
    """What `model` wrote, as Markdown."""
    opponent_output: str
    """What `opponent` wrote."""
    kind: PairKind
    """What the pair is for."""
    expected: Outcome | None = None
    """The right outcome for `model`: of gold pairs only."""
    repeats: str = ""
    """Of a repeat: the pair_id of the pair it shows again."""
    seed: Count = 0
    """The study's: which answer a rater sees on the left follows from it, the rater and the pair."""

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        if (self.kind == "gold") != (self.expected is not None):
            raise ValueError("gold pairs have an expected outcome, and no others")
        if (self.kind == "repeat") != bool(self.repeats):
            raise ValueError("repeats name the pair they repeat, and no others do")
        return self


class Hit(Row):
    """One task on Mechanical Turk: so many people, each of whom rates some pairs of the study."""

    token: str
    """Its name from our side (UniqueRequestToken and RequesterAnnotation): the same plan gives the same token."""
    hit_id: str
    """Its name on Mechanical Turk's side."""
    place: Literal["sandbox", "production"]
    """Where it was created."""
    num_assignments: Annotated[int, Field(ge=1)]
    """People who may take it."""
    reward_usd: Usd
    """Paid to each of them when the assignment is approved."""


class PayLine(Row):
    """What one rater is owed, and why."""

    rater: str
    """The rater's pseudonym, as in the judgments."""
    num_items: Count
    """Pairs rated."""
    num_capped: Count
    """Of them, those that took longer than is paid for."""
    measured_seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    """From page to vote, added up."""
    paid_seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    """The same with every item cut at its cap."""
    due_usd: Usd
    """paid_seconds at the hourly rate, in whole cents, rounded up; never below `reward_usd`."""
    reward_usd: Usd
    """Rewards of the rater's approved assignments."""
    bonus_usd: Usd
    """due_usd - reward_usd, cut at the largest bonus."""
    note: str = ""
    """What a person should look at, such as a bonus that was cut."""
