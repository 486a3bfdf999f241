"""What was searched for, and what the search gives as rows: Overlap, clean and leaked prompts, counts by benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from components.contracts.data_policy import DataPolicy
from components.contracts.data_rows import Overlap
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.rows import Prompt, TaskItem

if TYPE_CHECKING:
    from components.overlap.index import Nearest, TrainingText

PROMPTS = ""
"""The benchmark's name of a held-out prompt."""


class HeldOut(NamedTuple):
    """A text that training texts must not repeat."""

    item_id: str
    benchmark: str
    """PROMPTS for a prompt."""
    text: str


def held_out(items: Iterable[TaskItem], prompts: Iterable[Prompt]) -> list[HeldOut]:
    """Questions of the scored items (without their options), then the prompts."""
    questions = [HeldOut(item.id, item.benchmark, item.question) for item in items if item.split == "test"]
    return [*questions, *(HeldOut(prompt.id, PROMPTS, prompt.text) for prompt in prompts)]


def training_texts(dialogues: Iterable[Dialogue]) -> Iterator[TrainingText]:
    """Every turn, whoever speaks."""
    from components.overlap.index import TrainingText

    for dialogue in dialogues:
        for number, turn in enumerate(dialogue.turns):
            yield TrainingText(dialogue.id, number, turn.text, turn.speaker == "user")


def overlap_rows(searched: Sequence[HeldOut], found: Sequence[Nearest], limits: DataPolicy) -> list[Overlap]:
    """One row for each text searched for."""
    return [
        Overlap(
            item_id=text.item_id,
            benchmark=text.benchmark,
            bleu=near.bleu,
            bleu_dialogue=near.bleu_place.dialogue_id,
            bleu_turn=near.bleu_place.turn,
            ngram8=near.ngram8,
            ngram13=near.ngram13,
            cosine=near.cosine,
            cosine_dialogue=near.cosine_place.dialogue_id,
            dirty=limits.counts_as_leaked(text.benchmark, near.bleu, near.ngram8, near.ngram13),
        )
        for text, near in zip(searched, found, strict=True)
    ]


def leaked_prompts(prompts: Sequence[Prompt], rows: Sequence[Overlap]) -> tuple[list[Prompt], list[Removal]]:
    """Prompts that may be used, and those that repeat a training text, with the place they repeat.

    Args:
        prompts: All.
        rows: Their rows, in the same order.
    """
    clean, leaked = [], []
    for prompt, row in zip(prompts, rows, strict=True):
        if row.dirty:
            where = f"turn {row.bleu_turn} of dialogue {row.bleu_dialogue}"
            detail = f"BLEU {row.bleu:.1f} to {where}"
            leaked.append(Removal(id=prompt.id, reason="leaked", detail=detail, raw=prompt.text))
        else:
            clean.append(prompt)
    return clean, leaked


def limits_on_record(limits: DataPolicy) -> Mapping[str, float]:
    """The thresholds that `dirty` stands for."""
    return limits.model_dump(include={"prompt_bleu", "item_bleu", "item_ngram8", "item_ngram13"})
