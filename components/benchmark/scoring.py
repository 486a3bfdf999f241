"""Completions and choice log-probabilities -> one score per item, prompt style and channel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from components.benchmark.answers import best_choice, extracted_match, strict_match
from components.benchmark.prompting import STYLE_MARK, Template
from components.contracts.rows import Channel, ChoiceScore, Completion, PromptStyle, Score, TaskItem


class Recorded(NamedTuple):
    """A model's answers by request id."""

    said: Mapping[str, Completion]
    weighed: Mapping[str, ChoiceScore]


class Headline(NamedTuple):
    """Which variant of a benchmark a model is judged by."""

    style: PromptStyle
    channel: Channel


def item_scores(
    item: TaskItem, template: Template, styles: Iterable[PromptStyle], recorded: Recorded, model: str
) -> list[Score]:
    """Every variant of one item's score. An answer that was never given is unscored, not wrong."""
    found: list[Score] = []
    for style in styles:
        key = f"{item.id}{STYLE_MARK}{style}"
        values = (
            _choice(item, recorded.weighed.get(key)) if item.kind == "choice" else _match(item, recorded.said.get(key))
        )
        for channel, value in values.items():
            found.append(
                Score(
                    item_id=item.id,
                    benchmark=item.benchmark,
                    model=model,
                    value=value,
                    unscored=None if value is not None else "no answer was recorded",
                    cluster=item.cluster,
                    channel=channel,
                    prompt_style=style,
                    num_shots=0 if style == "chat" and template.chat_question else template.num_shots,
                )
            )
    return found


def _choice(item: TaskItem, row: ChoiceScore | None) -> dict[Channel, float | None]:
    if row is None:
        return {"likelihood": None}
    return {"likelihood": float(item.choices[best_choice(row.logprobs)] == item.answers[0])}


def _match(item: TaskItem, row: Completion | None) -> dict[Channel, float | None]:
    if row is None:
        return {"strict": None, "extracted": None}
    return {
        "strict": float(strict_match(row.text, item.answers)),
        "extracted": float(extracted_match(row.text, item.answers)),
    }


def in_selection(item_id: str, share: float) -> bool:
    """Whether an item is set aside for choosing the prompt style; the same for every model."""
    return int.from_bytes(hashlib.sha256(f"selection:{item_id}".encode()).digest()[:8], "big") < share * 2**64


def choose_headline(rows: Sequence[Score], share: float, match_channel: Channel) -> Headline:
    """The prompt style with the higher mean on the items set aside; the first style when they say nothing.

    The channel is fixed beforehand, the same for every model (likelihood, or `match_channel` for exact match): choosing
    it by score too would reward whichever reading is more generous.
    """
    channel: Channel = "likelihood" if any(row.channel == "likelihood" for row in rows) else match_channel
    means: dict[PromptStyle, float] = {}
    for style in dict.fromkeys(row.prompt_style for row in rows):
        values = [
            row.value
            for row in rows
            if row.prompt_style == style
            and row.channel == channel
            and row.value is not None
            and in_selection(row.item_id, share)
        ]
        means[style] = sum(values) / len(values) if values else 0.0
    # Equal means keep the first style, which `prepare` lists first.
    return Headline(max(means, key=lambda style: means[style]), channel)
