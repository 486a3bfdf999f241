"""A judge that reads likelihoods: which answer does a pinned language model find more natural?

It is the offline stand-in for a judge model that writes verdicts, with the weakness that the study warns of: it hears
the style of an answer and knows little of its truth. It sees one answer at a time, so it has no order to be biased by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Judgment, Request

CANDIDATE, REFERENCE = "candidate:", "reference:"


class AskParams(BaseModel):
    """How an answer is put before the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model under test; shown in folder names and progress."""
    template: str = "Question: {prompt}\nAnswer:"
    """What stands before the answer; {prompt} is the instruction."""


class Params(BaseModel):
    """How likelihoods become outcomes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model under test; shown in folder names and progress."""
    judge: str = "likelihood"
    """Name of the judge in the rows."""
    tie_margin: Annotated[float, Field(ge=0.0)] = 0.0
    """Natural-log probability per token within which two answers are equal."""


def prepare_judging(
    *,
    candidate: Input[Completion],
    reference: Input[Completion],
    requests: Output[Request],
    params: AskParams,
) -> Metrics:
    """One likelihood request per answer of either side, for `generate` to answer with the judge's checkpoint.

    The instruction comes from the reference's row, so both sides are read after the same words.
    """
    theirs = _by_prompt(reference)
    made: list[Request] = []
    for mark, side in ((CANDIDATE, _by_prompt(candidate)), (REFERENCE, theirs)):
        for prompt_id, row in side.items():
            if row.text.strip() and prompt_id in theirs:
                before = params.template.format(prompt=theirs[prompt_id].prompt)
                made.append(Request(id=mark + prompt_id, kind="choice", prompt=before, choices=(" " + row.text,)))
    requests.write(made)
    return {"requests": float(len(made))}


def judge_likelihood(
    *,
    candidate: Input[Completion],
    reference: Input[Completion],
    choice_scores: Input[ChoiceScore],
    judgments: Output[Judgment],
    params: Params,
) -> Metrics:
    """Compare mean log-probability per token, prompt by prompt.

    Raises:
        TouchstoneError: the two sides have no prompt in common.
    """
    ours, theirs = _by_prompt(candidate), _by_prompt(reference)
    shared = [prompt_id for prompt_id in theirs if prompt_id in ours]
    if not shared:
        raise TouchstoneError(
            f"{candidate.path} and {reference.path} have no prompt in common",
            expected="answers of both models to the same prompts",
        )
    weighed = {row.request_id: row for row in choice_scores.rows()}
    rows = [_judge(ours[p], theirs[p], weighed, params) for p in shared]
    judgments.write(rows)
    return _shares(rows)


def _by_prompt(port: Input[Completion]) -> dict[str, Completion]:
    rows = port.rows()
    found = {row.prompt_id: row for row in rows}
    if len(found) < len(rows):
        raise TouchstoneError(f"{port.path} answers a prompt twice", expected="one answer per prompt")
    return found


def _judge(ours: Completion, theirs: Completion, weighed: Mapping[str, ChoiceScore], params: Params) -> Judgment:
    score = _per_token(weighed.get(CANDIDATE + ours.prompt_id))
    opponent_score = _per_token(weighed.get(REFERENCE + ours.prompt_id))
    outcome: Literal["win", "tie", "loss"] | None = None
    unscored = None
    if score is None or opponent_score is None:
        unscored = "an answer is empty" if not (ours.text.strip() and theirs.text.strip()) else "no likelihood recorded"
    elif abs(score - opponent_score) <= params.tie_margin:
        outcome = "tie"
    else:
        outcome = "win" if score > opponent_score else "loss"
    return Judgment(
        prompt_id=ours.prompt_id,
        source=params.judge,
        rater=params.judge,
        model=ours.model,
        opponent=theirs.model,
        outcome=outcome,
        unscored=unscored,
        order="none",
        score=score,
        opponent_score=opponent_score,
    )


def _per_token(row: ChoiceScore | None) -> float | None:
    if row is None or row.num_tokens[0] == 0:
        return None
    return row.logprobs[0] / row.num_tokens[0]


def _shares(rows: Sequence[Judgment]) -> dict[str, float]:
    scored = [row for row in rows if row.outcome is not None]
    wins = sum(row.outcome != "loss" for row in scored)
    return {
        "judged": float(len(scored)),
        "unscored": float(len(rows) - len(scored)),
        "at_least_reference": wins / len(scored) if scored else 0.0,
    }
