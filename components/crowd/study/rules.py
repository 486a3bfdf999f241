"""Whose votes count: rules that are fixed with the study, and what is measured of every rater."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from components.contracts import canonical

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ExclusionRules(BaseModel):
    """A rater who breaks one rule is excluded: the votes are kept and no longer count. Null = no such rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_gold_share: Share | None = 0.5
    """Least share of gold items answered right."""
    gold_from: Annotated[int, Field(ge=1)] = 4
    """Gold items from which on that is asked: one mistake in two says nothing."""
    min_repeat_share: Share | None = None
    """Least share of repeats answered as before; off, because honest raters waver on close pairs."""
    repeats_from: Annotated[int, Field(ge=1)] = 4
    """Repeats from which on that is asked."""
    min_median_seconds: Annotated[float, Field(ge=0.0)] | None = 3.0
    """Least median time of an answer: two texts cannot be read in less."""
    seconds_from: Annotated[int, Field(ge=1)] | None = 5
    """Answers from which on times are asked about; null = `votes_from`, as in studies older than this field."""
    max_same_choice: Share | None = 0.95
    """Largest share of answers that are one and the same button (left, equal or right)."""
    votes_from: Annotated[int, Field(ge=2)] = 10
    """Answers from which on buttons are asked about: ten equal ones are no accident."""

    @property
    def digest(self) -> str:
        """sha256 of the rules."""
        return canonical.digest(self.model_dump())

    @classmethod
    def kept(cls, rules: Mapping[str, object]) -> Self:
        """Rules as a study keeps them: what they did not say when they were made, they do not say now."""
        return cls.model_validate({"seconds_from": None, **rules})

    @property
    def times_from(self) -> int:
        """Answers from which on times are asked about."""
        return self.votes_from if self.seconds_from is None else self.seconds_from


class Answered(NamedTuple):
    """One answer, as far as quality is concerned."""

    kind: str
    """Of the pair."""
    outcome: str
    """win, tie or loss, for the pair's model."""
    model_left: bool
    """Whether that model stood on the left."""
    expected: str | None
    """Right outcome of a gold pair; of a repeat, what the rater said the first time."""
    seconds: float | None
    """How long it took."""


class Quality(NamedTuple):
    """What is known of one rater's work."""

    votes: int
    gold: int
    gold_right: int
    repeats: int
    repeats_same: int
    left: int
    """Answers for the left side."""
    equal: int
    right: int
    median_seconds: float | None
    early_seconds: float | None
    """Median of the first half of the answers; beside `late_seconds` it shows fatigue."""
    late_seconds: float | None


def quality(answers: Sequence[Answered]) -> Quality:
    """Measure a rater by the answers, in the order they were given."""
    gold = [one for one in answers if one.kind == "gold"]
    repeats = [one for one in answers if one.kind == "repeat" and one.expected is not None]
    buttons = [button(one.outcome, one.model_left) for one in answers]
    half = len(answers) // 2
    return Quality(
        votes=len(answers),
        gold=len(gold),
        gold_right=sum(one.outcome == one.expected for one in gold),
        repeats=len(repeats),
        repeats_same=sum(one.outcome == one.expected for one in repeats),
        left=buttons.count("left"),
        equal=buttons.count("equal"),
        right=buttons.count("right"),
        median_seconds=_median(answers),
        early_seconds=_median(answers[:half]),
        late_seconds=_median(answers[half:]),
    )


def button(outcome: str, model_left: bool) -> str:
    """Which button was pressed: left, equal or right."""
    if outcome == "tie":
        return "equal"
    return "left" if (outcome == "win") == model_left else "right"


def pressed(choice: str, model_left: bool) -> str:
    """The outcome for the pair's model when `choice` (left, equal or right) was pressed."""
    if choice == "equal":
        return "tie"
    return "win" if (choice == "left") == model_left else "loss"


def broken_rule(rules: ExclusionRules, seen: Quality) -> str | None:
    """Which rule the rater breaks, in words; null = none."""
    wanted = rules.min_gold_share
    if wanted is not None and seen.gold >= rules.gold_from and seen.gold_right < wanted * seen.gold:
        return f"{seen.gold_right} of {seen.gold} gold items right, the rule asks for {wanted:.0%}"
    wanted = rules.min_repeat_share
    if wanted is not None and seen.repeats >= rules.repeats_from and seen.repeats_same < wanted * seen.repeats:
        return f"{seen.repeats_same} of {seen.repeats} repeats alike, the rule asks for {wanted:.0%}"
    quick, taken = rules.min_median_seconds, seen.median_seconds
    if quick is not None and taken is not None and seen.votes >= rules.times_from and taken < quick:
        return f"median of {taken:.1f} s an answer, the rule asks for {quick:g} s"
    most, limit = max(seen.left, seen.equal, seen.right), rules.max_same_choice
    if limit is not None and seen.votes >= rules.votes_from and most > limit * seen.votes:
        return f"{most} of {seen.votes} answers by the same button, the rule allows {limit:.0%}"
    return None


def _median(answers: Sequence[Answered]) -> float | None:
    times = [one.seconds for one in answers if one.seconds is not None]
    return median(times) if times else None
