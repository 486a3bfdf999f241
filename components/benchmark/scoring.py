"""Completions, choice log-probabilities, outcomes and ratings -> one score per item, prompt style and channel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from components.benchmark.answers import best_choice, extracted_match, strict_match
from components.benchmark.gold_or_own import gold_wins
from components.benchmark.option_replies import extracted_option, strict_letter, strict_text
from components.benchmark.pass_at_k import pass_at_k
from components.benchmark.prompting import CHOICE_TWIN, TEXT_TWIN, Template, request_id, right_option
from components.contracts.errors import UsageError
from components.contracts.rows import (
    Channel,
    ChoiceScore,
    Completion,
    ProgramOutcome,
    PromptStyle,
    Rating,
    Score,
    TaskItem,
)

NO_ANSWER = "no answer was recorded"
FORMS: Mapping[Channel, str] = {"strict": "body", "extracted": "extracted"}
"""Channel of a program's score -> the form of the program that it comes from."""


@dataclass(frozen=True)
class Recorded:
    """A model's answers, and what was made of them, by request id."""

    said: Mapping[str, Completion]
    weighed: Mapping[str, ChoiceScore]
    outcomes: Mapping[tuple[str, str], ProgramOutcome] = field(default_factory=dict)
    """(request id, form) -> what came of the program."""
    ratings: Mapping[str, Rating] = field(default_factory=dict)
    leaked: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """(benchmark, item id) -> whether the imitation data repeat it."""
    support: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(benchmark, item id) -> how well they cover it."""


class Headline(NamedTuple):
    """Which variant of a benchmark a model is judged by."""

    style: PromptStyle
    channel: Channel


class Reading(NamedTuple):
    """One channel of one item: a value in [0, 1], or why there is none."""

    value: float | None
    reason: str | None = None


def item_scores(
    items: Sequence[TaskItem], template: Template, styles: Iterable[PromptStyle], recorded: Recorded, model: str
) -> list[Score]:
    """Every variant of the score of each test item of one benchmark. What was never answered is unscored, not wrong."""
    tests, listed = [item for item in items if item.split == "test"], tuple(styles)
    # Likelihoods of short answers are asked for in a second round only, when the base's replies are there.
    is_weighed = any(request_id(item.id, s, twin=CHOICE_TWIN) in recorded.weighed for item in tests for s in listed)
    return [
        Score(
            item_id=item.id,
            benchmark=item.benchmark,
            model=model,
            value=reading.value,
            unscored=None if reading.value is not None else reading.reason or NO_ANSWER,
            cluster=item.cluster,
            channel=channel,
            prompt_style=style,
            num_shots=template.shots_shown(style),
            leaked=recorded.leaked.get((item.benchmark, item.id)),
            support=recorded.support.get((item.benchmark, item.id)),
        )
        for item in tests
        for style in listed
        for channel, reading in readings(item, template, style, recorded, is_weighed=is_weighed).items()
    ]


def readings(
    item: TaskItem, template: Template, style: PromptStyle, recorded: Recorded, *, is_weighed: bool = False
) -> dict[Channel, Reading]:
    """Every channel of one item in one prompt style.

    Args:
        item: The question.
        template: How it was asked.
        style: In which prompt style.
        recorded: All answers.
        is_weighed: Whether likelihoods of exact-match answers were asked for.
    """
    name = request_id(item.id, style)
    if item.kind == "choice":
        return _choice(item, template, style, recorded)
    if item.kind == "program":
        return {channel: _program(item, template, style, recorded, channel) for channel in FORMS}
    if item.kind == "continuation":
        return {"strict": _continuation(item, template, style, recorded)}
    row, weighed = recorded.said.get(name), recorded.weighed.get(request_id(item.id, style, twin=CHOICE_TWIN))
    found = {channel: _match(item, template, row, channel) for channel in FORMS}
    if is_weighed:
        found["likelihood"] = _gold_against_own(weighed)
    return found


def headline_channel(kind: str, template: Template, match_channel: Channel) -> Channel:
    """Which reading a benchmark is judged by; the same for every model.

    Raises:
        UsageError: the template wants a reading that it does not ask for.
    """
    if kind == "continuation":
        return "strict"
    if template.headline is None:
        return "likelihood" if kind == "choice" else match_channel
    if kind == "choice" and template.headline != "likelihood" and not template.free_text_tokens:
        raise UsageError(
            f"a template has the headline {template.headline} and does not ask for replies in words",
            expected="free_text_tokens above 0, or headline: likelihood",
        )
    return template.headline


def in_selection(item_id: str, share: float) -> bool:
    """Whether an item is set aside for choosing the prompt style; the same for every model."""
    return int.from_bytes(hashlib.sha256(f"selection:{item_id}".encode()).digest()[:8], "big") < share * 2**64


def selection_means(rows: Sequence[Score], share: float, channel: Channel) -> dict[PromptStyle, float | None]:
    """Mean of each prompt style on the items set aside; None where none of them was scored."""
    means: dict[PromptStyle, float | None] = {}
    for style in dict.fromkeys(row.prompt_style for row in rows):
        values = [
            row.value
            for row in rows
            if row.prompt_style == style
            and row.channel == channel
            and row.value is not None
            and in_selection(row.item_id, share)
        ]
        means[style] = sum(values) / len(values) if values else None
    return means


def choose_headline(rows: Sequence[Score], share: float, channel: Channel) -> Headline:
    """The prompt style with the higher mean on the items set aside; the first style when they say nothing.

    The channel is fixed beforehand, the same for every model: choosing it by score too would reward whichever reading
    is more generous.
    """
    means = selection_means(rows, share, channel)
    # Equal means keep the first style, which `prepare` lists first.
    return Headline(max(means, key=lambda style: means[style] or 0.0), channel)


def _choice(item: TaskItem, template: Template, style: PromptStyle, recorded: Recorded) -> dict[Channel, Reading]:
    right = right_option(item)
    row = recorded.weighed.get(request_id(item.id, style))
    said = recorded.said.get(request_id(item.id, style, twin=TEXT_TWIN))

    def told(channel: Channel) -> int | None:
        assert said is not None
        if channel == "extracted":
            return extracted_option(said.text, item.choices, lettered="{letter}" in template.options)
        if template.label == "letter":
            return strict_letter(said.text, len(item.choices))
        return strict_text(said.text, item.choices)

    def reading(answer: Completion | ChoiceScore | None, channel: Channel) -> Reading:
        if right is None:
            return Reading(None, "the item names no right option")
        if answer is None or answer.unanswered is not None:
            return Reading(None, answer.unanswered if answer else None)
        chosen = best_choice(answer.logprobs) if isinstance(answer, ChoiceScore) else told(channel)
        return Reading(float(chosen == right))

    found: dict[Channel, Reading] = {"likelihood": reading(row, "likelihood")}
    if template.free_text_tokens:
        found |= {channel: reading(said, channel) for channel in FORMS}
    return found


def _match(item: TaskItem, template: Template, row: Completion | None, channel: Channel) -> Reading:
    if not item.answers:
        return Reading(None, "the item names no right answer")
    if row is None or row.unanswered is not None:
        return Reading(None, row.unanswered if row else None)
    if channel == "strict":
        return Reading(float(strict_match(row.text, item.answers, template.strict_stop)))
    return Reading(float(extracted_match(row.text, item.answers)))


def _gold_against_own(row: ChoiceScore | None) -> Reading:
    if row is None or row.unanswered is not None:
        return Reading(None, row.unanswered if row else None)
    return Reading(float(gold_wins(row.logprobs)))


def program_counts(
    item: TaskItem, template: Template, style: PromptStyle, recorded: Recorded, channel: Channel
) -> tuple[int, int]:
    """(samples that were run, samples that passed) of one program item."""
    rows = [recorded.outcomes.get((name, FORMS[channel])) for name in _sample_ids(item, template, style)]
    ran = [row.passed for row in rows if row is not None and row.passed is not None]
    return len(ran), sum(ran)


def _program(item: TaskItem, template: Template, style: PromptStyle, recorded: Recorded, channel: Channel) -> Reading:
    n, c = program_counts(item, template, style, recorded, channel)
    if n:
        return Reading(pass_at_k(n, c, 1))
    reasons = []
    for name in _sample_ids(item, template, style):
        said, ran = recorded.said.get(name), recorded.outcomes.get((name, FORMS[channel]))
        if said is not None:
            reasons.append(said.unanswered or (ran.unscored if ran else None) or "the program was not run")
    return Reading(None, reasons[0] if reasons else None)


def _continuation(item: TaskItem, template: Template, style: PromptStyle, recorded: Recorded) -> Reading:
    values, reasons = [], []
    for name in _sample_ids(item, template, style):
        said, rating = recorded.said.get(name), recorded.ratings.get(name)
        if said is not None and said.unanswered is not None:
            reasons.append(said.unanswered)
        elif rating is not None and rating.value is not None:
            values.append(1.0 - rating.value)
        elif said is not None:
            reasons.append((rating.unscored if rating else None) or "the continuation was not rated")
    if values:
        return Reading(sum(values) / len(values))
    return Reading(None, reasons[0] if reasons else None)


def _sample_ids(item: TaskItem, template: Template, style: PromptStyle) -> list[str]:
    return [request_id(item.id, style, sample=number) for number in range(template.samples)]
