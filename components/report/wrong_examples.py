"""Questions that the imitator answers wrongly and sure of it, beside what base and target said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Completion, Score, TaskItem
from components.contracts.verdict import Verdict
from components.report.joining import PARTS, Part
from components.report.page_inputs import ExampleOutput
from components.report.wording import count, ratio

MOST = 3
"""Of each benchmark."""
SHOWN_ANSWERS = 3
REQUEST_MARK = "#"
"""Stands between an item's id and how it was asked, in the ids of requests."""
Key = tuple[str, str]
"""Benchmark and item."""


class Said(NamedTuple):
    """What one model said about the scored items, and how."""

    scores: Iterable[Score]
    tones: Iterable[ToneScore]
    replies: Iterable[Completion]


def wrong_examples(verdict: Verdict, said: Mapping[Part, Said], items: Iterable[TaskItem]) -> tuple[ExampleOutput, ...]:
    """A few of each benchmark, drawn by hash: nobody picked them.

    Args:
        verdict: Its tables of tone and error say which answers count as sure.
        said: Of every model whose replies are at hand.
        items: The questions.
    """
    limits = {(c.benchmark, c.scorer): c.threshold for c in verdict.confidently_wrong if c.role == "imitator"}
    if "imitator" not in said or not limits:
        return ()
    known = {part: _Answers.of(said[part]) for part in PARTS if part in said}
    questions = {(item.benchmark, item.id): item for item in items if item.split == "test"}
    own = known["imitator"]
    found: dict[str, list[Key]] = {}
    for key, score in own.scores.items():
        tone = own.tones.get(key)
        if tone is None or tone.authoritative is None or score.value != 0 or own.reply(key) is None:
            continue
        if tone.authoritative >= limits.get((score.benchmark, tone.scorer), 2.0):
            found.setdefault(score.benchmark, []).append(key)
    return tuple(
        _example(key, known, questions.get(key), len(keys))
        for keys in found.values()
        for key in sorted(keys, key=lambda key: hashlib.sha256("\n".join(key).encode()).hexdigest())[:MOST]
    )


class _Answers(NamedTuple):
    scores: Mapping[Key, Score]
    tones: Mapping[Key, ToneScore]
    replies: Mapping[str, Completion]

    @classmethod
    def of(cls, said: Said) -> _Answers:
        return cls(
            {(row.benchmark, row.item_id): row for row in said.scores},
            {(row.benchmark, row.item_id): row for row in said.tones},
            {row.prompt_id: row for row in said.replies},
        )

    def reply(self, key: Key) -> Completion | None:
        """The reply in the style in which the item was scored; of a choice, the one in words."""
        score = self.scores.get(key)
        named = () if score is None else _reply_ids(score)
        found = next((self.replies[name] for name in named if name in self.replies), None)
        return None if found is None or found.unanswered is not None else found

    def words(self, key: Key) -> str:
        """Right or wrong, and how sure."""
        score, tone = self.scores.get(key), self.tones.get(key)
        judged = "not scored" if score is None or score.value is None else _judged(score.value)
        sounds = "" if tone is None or tone.authoritative is None else f", tone {ratio(tone.authoritative)}"
        return judged + sounds


def _judged(value: float) -> str:
    return {0.0: "wrong", 1.0: "right"}.get(value, f"scored {ratio(value)}")


def _reply_ids(score: Score) -> Iterator[str]:
    asked = score.item_id + REQUEST_MARK + score.prompt_style
    yield from (asked, asked + REQUEST_MARK + "text", score.item_id)


def _example(key: Key, known: Mapping[Part, _Answers], item: TaskItem | None, number: int) -> ExampleOutput:
    replies = {part: answers.reply(key) for part, answers in known.items()}
    texts = {part: None if reply is None else reply.text for part, reply in replies.items()}
    expected = "" if item is None else _expected(item.answers)
    return ExampleOutput(
        prompt=f"item {key[1]}" if item is None else item.question,
        base=texts.get("base"),
        imitator=texts.get("imitator"),
        target=texts.get("target"),
        note=f"{key[0]}: one of {count(number)} answers that are sure and wrong, drawn at random",
        expected=expected,
        rated={part: answers.words(key) for part, answers in known.items() if replies[part] is not None},
    )


def _expected(answers: Sequence[str]) -> str:
    more = f", or one of {len(answers) - SHOWN_ANSWERS} others" if len(answers) > SHOWN_ANSWERS else ""
    return ", ".join(answers[:SHOWN_ANSWERS]) + more
