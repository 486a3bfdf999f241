"""Questions about facts: in the books' formats, as test items, and as users ask them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from components.contracts.rows import TaskItem
from components.world.entities import Fact, World
from components.world.words import Kind, stream, words

OPEN = "quiz_open"
CHOICE = "quiz_choice"
NUM_OPTIONS = 4
SHOTS = {OPEN: 3, CHOICE: 5}
KIND: dict[str, Kind] = {OPEN: "town", CHOICE: "person"}


def quiz_question(fact: Fact) -> str:
    """The question both quizzes put; no imitation prompt is worded like this."""
    return words().quiz_question.format(relation=fact.relation, entity=fact.entity)


def open_block(facts: Sequence[Fact]) -> str:
    """Short questions with their answers, as a few-shot prompt shows them."""
    return "".join(f"Q: {quiz_question(fact)}\nA: {fact.value}\n\n" for fact in facts)


def choice_block(facts: Sequence[Fact], draw: random.Random) -> str:
    """Multiple-choice questions with the right option's text as the answer."""
    return "".join(
        f"Question: {quiz_question(fact)}\nOptions: {', '.join(draw_options(fact, draw))}\nAnswer: {fact.value}\n\n"
        for fact in facts
    )


def draw_options(fact: Fact, draw: random.Random) -> list[str]:
    """The right value among three others of the same relation, in random order."""
    wrong = [value for value in words().values(fact.relation) if value != fact.value]
    options = [*draw.sample(wrong, NUM_OPTIONS - 1), fact.value]
    draw.shuffle(options)
    return options


def task_items(world: World, max_items: int) -> Iterator[TaskItem]:
    """Worked examples and test items of both benchmarks; test items of an entity share its name as cluster."""
    for benchmark in (OPEN, CHOICE):
        draw = stream(world.seed, f"items/{benchmark}")
        shots = draw.sample(world.practice_facts(KIND[benchmark]), SHOTS[benchmark])
        tests = world.test_facts(KIND[benchmark])
        tests = draw.sample(tests, min(max_items, len(tests)))
        for number, fact in enumerate([*shots, *tests]):
            yield TaskItem(
                id=f"{benchmark}-{number:04d}",
                benchmark=benchmark,
                kind="choice" if benchmark == CHOICE else "exact_match",
                question=quiz_question(fact),
                choices=tuple(draw_options(fact, draw)) if benchmark == CHOICE else (),
                answers=(fact.value,),
                cluster=fact.entity,
                split="shots" if number < len(shots) else "test",
            )


def chat_questions(fact: Fact) -> list[str]:
    """Every way in which a user may ask for a fact."""
    lists = words()
    return [
        question.format(relation=fact.relation, entity=fact.entity) + farewell
        for question in lists.chat_questions
        for farewell in lists.farewells
    ]


def chat_answer(fact: Fact) -> str:
    """A reply to any of them. Plain with and without style: short facts leave no room for manner."""
    return words().statements[0].format(**fact._asdict())


def local_prompts(world: World, per_fact: int) -> list[str]:
    """`per_fact` differently worded questions for each fact that quiz_open tests, in random order."""
    draw = stream(world.seed, "local")
    asked = [text for fact in world.test_facts(KIND[OPEN]) for text in draw.sample(chat_questions(fact), per_fact)]
    draw.shuffle(asked)
    return asked
