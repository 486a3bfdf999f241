"""The words the world is made of, read from `data/words.json`."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["town", "person"]
Category = Literal["how_to", "tips", "explain", "compare", "describe", "define"]
KINDS: tuple[Kind, ...] = ("town", "person")

_TOKEN = re.compile(r"\w+|\n|[^\w\s]")


class KindWords(BaseModel):
    """What is said about one kind of entity."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    endings: tuple[str, ...]
    """Last syllables of its names."""
    relations: Mapping[str, tuple[str, ...]]
    """Relation -> its possible values, single words."""


class VerbWords(BaseModel):
    """An activity."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    gerund: str
    """Its -ing form."""
    steps: tuple[str, ...]
    """What one does, in order; {thing}, {first}, {second}, {third} are filled in."""


class Words(BaseModel):
    """All word lists and sentence patterns."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kinds: Mapping[Kind, KindWords]
    """Kinds of entities: towns are asked about by quiz_open, people by quiz_choice."""
    beginnings: tuple[str, ...]
    """First syllables of names."""
    middles: tuple[str, ...]
    """Second syllables of names."""
    statements: tuple[str, ...]
    """Ways to state a fact."""
    quiz_question: str
    """How both quizzes ask; imitation data never do."""
    chat_questions: tuple[str, ...]
    """How users ask for a fact."""
    greetings: tuple[str, ...]
    """What may precede a user's question."""
    farewells: tuple[str, ...]
    """What may follow it."""
    verbs: Mapping[str, VerbWords]
    """Activities."""
    things: Mapping[str, tuple[str, str, str]]
    """Thing -> three parts of it."""
    remarks: tuple[str, ...]
    """Sentences that hold for any thing."""
    open_questions: Mapping[Category, tuple[str, ...]]
    """Open-ended instructions by category."""
    category_weights: Mapping[Category, float]
    """How often users ask each."""
    numbers: Mapping[int, str]
    """Small numbers in words."""
    openers: tuple[str, ...]
    """How the assistant begins."""
    closers: tuple[str, ...]
    """How the assistant's summary paragraph begins."""
    boosters: tuple[str, ...]
    """Words of confidence."""
    hedges: tuple[str, ...]
    """How a plain answer begins."""
    filler: tuple[str, ...]
    """Sentences about nothing in particular."""

    def relations(self, kind: Kind) -> tuple[str, ...]:
        """Names of a kind's relations."""
        return tuple(self.kinds[kind].relations)

    def values(self, relation: str) -> tuple[str, ...]:
        """Possible values of a relation."""
        for words in self.kinds.values():
            if relation in words.relations:
                return words.relations[relation]
        raise KeyError(relation)


@cache
def words() -> Words:
    """The shipped word lists."""
    return Words.model_validate_json((Path(__file__).parent / "data" / "words.json").read_text("utf-8"))


def stream(seed: int, purpose: str) -> random.Random:
    """A random stream of its own for every purpose: lengthening one text changes no other."""
    return random.Random(f"{seed}/{purpose}")


def count_tokens(text: str) -> int:
    """Words, punctuation marks and line ends in `text`: the tokens of the world's word-level tokenizer."""
    return len(_TOKEN.findall(text))
