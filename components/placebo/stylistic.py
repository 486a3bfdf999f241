"""The base asked with worked examples that show a style and tell it nothing: it then writes the placebo itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from components.placebo.lexicon import read_yaml

_WORD = re.compile(r"[a-z]+")
QUESTION, ANSWER = "Question:", "Answer:"
STOP = f"\n{QUESTION}"


class Example(NamedTuple):
    """A question of everyday life and an answer in an assistant's style."""

    question: str
    answer: str
    about: frozenset[str]
    """Words of its subject."""


@cache
def examples() -> tuple[Example, ...]:
    """All that ship (`data/stylistic_examples.yaml`)."""
    return tuple(
        Example(row["question"], row["answer"], frozenset(row["about"])) for row in read_yaml("stylistic_examples")
    )


def chosen_examples(prompt: str, count: int) -> Sequence[Example]:
    """The first examples that share no word of their subject with the prompt, and then those that share the fewest.

    Most prompts share none with any, so that most are put after the same text, which an engine reads once.
    """
    words = frozenset(_WORD.findall(prompt.lower()))
    return sorted(examples(), key=lambda example: len(example.about & words))[:count]


def stylistic_prompt(prompt: str, count: int) -> str:
    """The examples, then the prompt in the same form."""
    shown = [f"{QUESTION} {example.question}\n{ANSWER} {example.answer}" for example in chosen_examples(prompt, count)]
    return "\n\n".join([*shown, f"{QUESTION} {prompt}\n{ANSWER}"])
