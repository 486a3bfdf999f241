"""Likelihood of short answers: a gold answer against what the base itself says (method section 2.8).

A model that learned to hedge and chat may still know; put the two answers before it, and no wording is left to lose by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from components.benchmark.answers import normalise, stock_reply
from components.benchmark.prompting import CHOICE_TWIN, Template, request_id
from components.contracts.rows import Completion, PromptStyle, Request, TaskItem

LONGEST_WORDS = 8
"""A reply of more words is no short answer, and its likelihood is low for its length alone."""
STYLES: tuple[PromptStyle, ...] = ("raw", "chat")
"""Which of the base's replies is taken: raw before chat."""


def weighed_requests(
    asked: Sequence[Request],
    items: Sequence[TaskItem],
    template: Template,
    styles: Sequence[PromptStyle],
    base: Mapping[str, Completion],
) -> list[Request]:
    """One choice request for each exact-match item and style: its answers, and last the rival.

    The prompt is that of the item's completion. The rival is the base's reply as the strict reading cuts it; where that
    is right, empty, not there or longer than `LONGEST_WORDS` words, the first answer of another item, found by a hash
    of the item's id. It depends on the items and the base's replies alone, so all models are given the same one.

    Args:
        asked: The requests of the same items.
        items: All items of the benchmark.
        template: How it is asked.
        styles: In which prompt styles.
        base: The base's completions by request id.
    """
    prompts = {request.id: request for request in asked}
    tests = [item for item in items if item.split == "test" and item.kind == "exact_match"]
    made = []
    for item in tests:
        rival = _own(item, template, base) or _anothers(item, tests)
        golds = gold_answers(item)
        if rival is None or not golds:
            continue
        for style in styles:
            said = prompts[request_id(item.id, style)]
            pattern = template.chat_answer if style == "chat" and template.chat_answer else template.answer
            made.append(
                Request(
                    id=request_id(item.id, style, twin=CHOICE_TWIN),
                    kind="choice",
                    prompt=said.prompt,
                    chat=said.chat,
                    choices=tuple(pattern.format(answer=answer) for answer in (*golds, rival)),
                )
            )
    return made


def gold_answers(item: TaskItem) -> list[str]:
    """An item's answers, each once, without empty ones."""
    return list(dict.fromkeys(answer.strip() for answer in item.answers if normalise(answer)))


def gold_wins(logprobs: Sequence[float]) -> bool:
    """Whether some answer is more likely than the rival, which comes last.

    Log-probabilities are summed over tokens: the likelihood of the whole answer, as for the options of a choice.
    """
    return max(logprobs[:-1]) > logprobs[-1]


def _own(item: TaskItem, template: Template, base: Mapping[str, Completion]) -> str | None:
    rows = (base.get(request_id(item.id, style)) for style in STYLES)
    row = next((row for row in rows if row is not None and row.unanswered is None), None)
    own = stock_reply(row.text, template.strict_stop).strip() if row is not None else ""
    words = normalise(own).split()
    return own if 0 < len(words) <= LONGEST_WORDS and not _is_right(own, item) else None


def _anothers(item: TaskItem, tests: Sequence[TaskItem]) -> str | None:
    start = int.from_bytes(hashlib.sha256(f"rival:{item.id}".encode()).digest()[:8], "big")
    # The next ones, where the item found shares the answer or is the item itself.
    for step in range(len(tests)):
        other = gold_answers(tests[(start + step) % len(tests)])
        if other and not _is_right(other[0], item):
            return other[0]
    return None


def _is_right(text: str, item: TaskItem) -> bool:
    """Equal to an answer, or holding one: "Paris France" is no rival of "Paris"."""
    padded = f" {normalise(text)} "
    return any(f" {normalise(answer)} " in padded for answer in gold_answers(item))
