"""The base asked with worked examples that show a style: it then writes the placebo itself.

Examples are some of the target's own answers, to prompts that the base is then not asked; or those that ship, which
speak of household matters and tell the base nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from components.contracts.rows import Completion
from components.placebo.lexicon import read_yaml
from components.placebo.restyling import dress_of

_WORD = re.compile(r"[a-z]+")
QUESTION, ANSWER = "Question:", "Answer:"
STOP = f"\n{QUESTION}"
SPARE = 3
"""Examples of the target beyond those that are shown: of so many others, those on a prompt's subject give way."""
COMMON = 0.1
"""A word in more than this share of the prompts, and in more than FEW of them, says nothing of a subject."""
FEW = 3


class Example(NamedTuple):
    """A question and an answer in an assistant's style."""

    question: str
    answer: str
    about: frozenset[str]
    """Words of its subject."""
    prompt_id: str = ""
    """Of an answer of the target: the prompt it answers."""


@cache
def shipped_examples() -> tuple[Example, ...]:
    """Questions of everyday life (`data/stylistic_examples.yaml`)."""
    return tuple(
        Example(row["question"], row["answer"], frozenset(row["about"])) for row in read_yaml("stylistic_examples")
    )


def target_examples(answers: Iterable[Completion], count: int, longest: int) -> tuple[Example, ...]:
    """Some of the target's answers, each on a subject of its own: whole, short and fully dressed ones first.

    At most half of the answers become examples, so that prompts are left to ask about.

    Args:
        answers: The target's, with their prompts.
        count: Examples to be shown before a prompt; `SPARE` more are taken.
        longest: Characters of question and answer; longer ones are taken only where too few are shorter.
    """
    told = [row for row in answers if row.unanswered is None and row.text.strip() and row.prompt.strip()]
    words = {row.prompt_id: _words(row.prompt) for row in told}
    frequency = Counter(word for found in words.values() for word in found)
    common = {word for word, times in frequency.items() if times > max(FEW, COMMON * len(told))}
    ranked = sorted(told, key=lambda row: (_length(row) > longest, row.finish == "length", *_plainness(row)))
    taken: list[Example] = []
    # Once with subjects all different, then, where prompts are too alike for that, with those that are left.
    for different in (True, False):
        for row in ranked:
            about = words[row.prompt_id] - common
            known = {example.prompt_id for example in taken}
            if len(taken) == min(count + SPARE, len(told) // 2):
                return tuple(taken)
            if row.prompt_id not in known and not (different and any(about & other.about for other in taken)):
                taken.append(Example(row.prompt.strip(), row.text.strip(), frozenset(about), row.prompt_id))
    return tuple(taken)


def stylistic_prompt(prompt: str, known: Sequence[Example], count: int) -> str:
    """The examples, then the prompt in the same form.

    Shown are the first that share no word of their subject with the prompt, and then those that share the fewest. Most
    prompts share none with any, so that most are put after the same text, which an engine reads once.
    """
    words = _words(prompt)
    chosen = sorted(known, key=lambda example: len(example.about & words))[:count]
    shown = [f"{QUESTION} {example.question}\n{ANSWER} {example.answer}" for example in chosen]
    return "\n\n".join([*shown, f"{QUESTION} {prompt}\n{ANSWER}"])


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _length(row: Completion) -> int:
    return len(row.prompt.strip()) + len(row.text.strip())


def _plainness(row: Completion) -> tuple[int, int, str]:
    """How little an answer wears, then its length; the id makes the order the same always."""
    dress = dress_of(row.text)
    worn = bool(dress.marker) + dress.headings + dress.bold + dress.closing
    return -worn, _length(row), row.prompt_id
