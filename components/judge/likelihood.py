"""Which of two answers a language model finds more natural, per token."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Nothing
from components.contracts.preference_rows import PLACEBO
from components.contracts.rows import ChoiceScore, Completion
from components.contracts.unjudged import no_answer_by

CANDIDATE, REFERENCE, BASE = "candidate:", "reference:", "base:"
"""Sides; placebos go by their names."""


def asked_as(row: Completion, side: str = CANDIDATE) -> str:
    """Id of the request that weighs an answer."""
    return (f"{row.model}|" if row.model.startswith(PLACEBO) else side) + row.prompt_id


class Scale(NamedTuple):
    """What weighs answers against each other."""

    weighed: Mapping[str, ChoiceScore]
    """Request -> likelihood of the answer."""
    prompts: Collection[str]
    """Those that were asked about."""
    judge: str
    """Its name in the rows."""
    tie_margin: float
    """Natural-log probability per token within which two answers are equal."""

    def beside(self, port: Input[Completion], other: Input[Completion], against: str) -> list[Judgment]:
        """Every answer of a side beside the other's answer to the same prompt.

        Raises:
            TouchstoneError: the two sides have no prompt in common.
        """
        ours, theirs = by_prompt(port), by_prompt(other)
        shared = [name for name in theirs if name in ours and name in self.prompts]
        if not shared and not isinstance(port, Nothing):
            raise TouchstoneError(
                f"{port.path} and {other.path} have no prompt in common",
                expected="answers of both models to the same prompts",
            )
        how = partial(weigh, judge=self.judge, tie_margin=self.tie_margin, against=against)
        return [how(ours[name], theirs[name], self.weighed) for name in shared]


def by_prompt(port: Input[Completion]) -> dict[str, Completion]:
    """A side's answers.

    Raises:
        TouchstoneError: a prompt is answered twice.
    """
    rows = port.rows()
    found = {row.prompt_id: row for row in rows}
    if len(found) < len(rows):
        raise TouchstoneError(f"{port.path} answers a prompt twice", expected="one answer per prompt")
    return found


def weigh(
    ours: Completion,
    theirs: Completion,
    weighed: Mapping[str, ChoiceScore],
    *,
    judge: str,
    tie_margin: float,
    against: str = REFERENCE,
) -> Judgment:
    """One prompt's judgment, by mean natural-log probability per token; unscored where one of the two is not known."""
    weights = (weighed.get(asked_as(ours)), weighed.get(asked_as(theirs, against)))
    score, opponent_score = map(_per_token, weights)
    outcome: Literal["win", "tie", "loss"] | None = None
    unscored = None
    if score is None or opponent_score is None:
        unscored = _missing(ours, theirs, weights)
    elif abs(score - opponent_score) <= tie_margin:
        outcome = "tie"
    else:
        outcome = "win" if score > opponent_score else "loss"
    return Judgment(
        prompt_id=ours.prompt_id,
        source=judge,
        rater=judge,
        model=ours.model,
        opponent=theirs.model,
        outcome=outcome,
        unscored=unscored,
        order="none",
        score=score,
        opponent_score=opponent_score,
    )


def shares(rows: Sequence[Judgment]) -> dict[str, float]:
    """Counts for a step's metrics."""
    scored = [row for row in rows if row.outcome is not None]
    wins = sum(row.outcome != "loss" for row in scored)
    return {
        "judged": float(len(scored)),
        "unscored": float(len(rows) - len(scored)),
        "at_least_reference": wins / len(scored) if scored else 0.0,
    }


def _missing(ours: Completion, theirs: Completion, weights: tuple[ChoiceScore | None, ChoiceScore | None]) -> str:
    for row in (ours, theirs):
        if not row.text.strip():
            return no_answer_by(row.model, row.unanswered or "it is empty")
    told = (
        f"{row.model}'s answer: {why}"
        for row, weight in zip((ours, theirs), weights, strict=True)
        if weight is not None and (why := _unheard(weight))
    )
    return next(told, "no likelihood recorded")


def _unheard(row: ChoiceScore) -> str | None:
    """Why a weight is no judgment; null = it is one, or nobody says why not.

    Where the context was too short, the answer was weighed without the beginning of what was asked: that is the
    likelihood of an answer to another question than the other side's.
    """
    if row.unanswered is None and row.cut_tokens:
        return f"the judge's context cut off {row.cut_tokens} tokens of what was asked"
    return row.unanswered


def _per_token(row: ChoiceScore | None) -> float | None:
    """Mean natural-log probability of the answer's tokens; null where it is not known, or not of the whole question."""
    if row is None or _unheard(row) or not row.logprobs or not row.num_tokens or row.num_tokens[0] == 0:
        return None
    return row.logprobs[0] / row.num_tokens[0]
