"""Pre-training corpora: statements of facts, quizzes in books, forum answers, lists, filler."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.rows import TextRow, Unit
from components.world.dialogues import by_entity, draw_instruction, plain_answer, styled_answer
from components.world.entities import Fact, World
from components.world.quizzes import chat_answer, chat_questions, choice_block, open_block
from components.world.words import KINDS, count_tokens, stream, words

STATEMENTS_PER_TEXT = 4
PORTRAIT_SHARE = 0.5
"""Texts about one entity; the others mix entities. Only portraits show that a name comes back within a text."""
MENTION_EXPONENT = 0.35
"""Popular facts are mentioned more often, but every fact that is known at all comes up again and again."""


class CorpusParams(BaseModel):
    """What one model gets to read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    world_share: Unit
    """Share of the facts that the texts contain."""
    tokens: Annotated[int, Field(gt=0)]
    """Length of the corpus in tokens of the word-level tokenizer."""
    fact_share: Unit
    """Share of the tokens spent on plain statements of facts."""
    open_share: Unit = 0.07
    """Share spent on short-answer quizzes about practice entities."""
    choice_share: Unit = 0.13
    """Share spent on multiple-choice quizzes about practice entities."""
    styled_share: Unit = 0.0
    """Share of the forum answers that are written in the assistant's style."""


def corpus(world: World, name: str, params: CorpusParams) -> list[TextRow]:
    """The texts of one model, shuffled; equal seed, name and parameters give equal texts."""
    draw = stream(world.seed, f"corpus/{name}")
    known = world.known(params.world_share)
    texts = _until(params.tokens * params.fact_share, _statements(world, known, draw))
    towns, people = (world.practice_facts(kind) for kind in KINDS)
    texts += _until(params.tokens * params.open_share, lambda: open_block(draw.sample(towns, draw.randint(3, 6))))
    texts += _until(
        params.tokens * params.choice_share, lambda: choice_block(draw.sample(people, draw.randint(4, 6)), draw)
    )
    rest = 1 - params.fact_share - params.open_share - params.choice_share
    texts += _until(params.tokens * rest, _others(world, known, params.styled_share, draw))
    texts += _glossary()
    draw.shuffle(texts)
    return [TextRow(id=f"{name}-{number:05d}", text=text) for number, text in enumerate(texts)]


def _until(tokens: float, write: Callable[[], str]) -> list[str]:
    texts: list[str] = []
    written = 0
    while written < tokens:
        texts.append(write())
        written += count_tokens(texts[-1])
    return texts


def _statements(world: World, known: tuple[Fact, ...], draw: random.Random) -> Callable[[], str]:
    weights = [world.popularity[fact.entity] ** MENTION_EXPONENT for fact in known]

    def rounds() -> Iterator[Fact]:
        # A round mentions every fact once and half as many again by popularity, so that no known fact stays rare.
        while True:
            facts = [*known, *draw.choices(known, weights, k=len(known) // 2)]
            draw.shuffle(facts)
            yield from facts

    queue = rounds()
    patterns = words().statements

    groups = by_entity(known)

    def write() -> str:
        first = next(queue)
        if draw.random() < PORTRAIT_SHARE:
            facts = draw.sample(groups[first.entity], len(groups[first.entity]))
        else:
            facts = [first, *(next(queue) for _ in range(STATEMENTS_PER_TEXT - 1))]
        return " ".join(draw.choice(patterns).format(**fact._asdict()) for fact in facts)

    return write


def _others(world: World, known: tuple[Fact, ...], styled_share: float, draw: random.Random) -> Callable[[], str]:
    groups = by_entity(known)

    def write() -> str:
        kind = draw.choices(("question", "forum", "list", "filler"), (32, 54, 5, 9))[0]
        if kind == "question":
            fact = draw.choice(known)
            return f"Question: {draw.choice(chat_questions(fact))}\nAnswer: {chat_answer(fact)}"
        asked = draw_instruction(world, draw)
        if kind == "forum":
            answer = styled_answer if draw.random() < styled_share else plain_answer
            return f"Question: {asked.text}\nAnswer: {answer(asked, groups, draw)}"
        if kind == "list":
            return _list(draw)
        patterns = draw.sample(words().filler, 4)
        return " ".join(p.format(part=asked.part, thing=asked.thing, other=asked.other) for p in patterns)

    return write


def _list(draw: random.Random) -> str:
    things = draw.sample(list(words().things), draw.randint(2, 5))
    if draw.random() < 0.5:
        return "Things to buy:\n" + "\n".join(f"- {thing}" for thing in things)
    return "Things to see:\n" + "\n".join(f"{number}. {thing}" for number, thing in enumerate(things, 1))


def _glossary() -> list[str]:
    # Every value word appears in every corpus, so that no model meets an option it has never seen.
    return [
        f"Kinds of {relation}:\n" + "\n".join(f"- {value}" for value in values)
        for kind in KINDS
        for relation, values in words().kinds[kind].relations.items()
    ]
