"""Open-ended instructions, and how they are answered: plainly, or in an assistant's style."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components.contracts.dialogue_rows import Dialogue
from components.contracts.rows import Turn
from components.world.entities import Fact, World
from components.world.quizzes import chat_answer, chat_questions
from components.world.words import KINDS, Category, stream, words

ASK_EXPONENT = 1.25
"""Users ask about the popular even more than texts mention them."""


@dataclass(frozen=True)
class Instruction:
    """An open-ended instruction and what it is about."""

    category: Category
    text: str
    verb: str
    thing: str
    other: str
    part: str
    number: int
    entity: str


def draw_instruction(world: World, draw: random.Random) -> Instruction:
    """One instruction, as users would send it."""
    lists = words()
    category = draw.choices(list(lists.category_weights), list(lists.category_weights.values()))[0]
    thing, other = draw.sample(list(lists.things), 2)
    verb = draw.choice(list(lists.verbs))
    part = draw.choice(lists.things[thing])
    number = draw.choice(list(lists.numbers))
    names = world.names[draw.choice(KINDS)]
    entity = draw.choices(names, [world.popularity[name] ** ASK_EXPONENT for name in names])[0]
    question = draw.choice(lists.open_questions[category]).format(
        verb=verb,
        gerund=lists.verbs[verb].gerund,
        thing=thing,
        other=other,
        part=part,
        number=lists.numbers[number],
        entity=entity,
    )
    text = draw.choice(lists.greetings) + question + draw.choice(lists.farewells[:2])
    return Instruction(category, text, verb, thing, other, part, number, entity)


def draw_instructions(world: World, purpose: str, count: int, avoid: Collection[str] = ()) -> list[Instruction]:
    """`count` instructions, all different and none of them in `avoid`."""
    draw = stream(world.seed, purpose)
    seen = set(avoid)
    drawn: list[Instruction] = []
    while len(drawn) < count:
        instruction = draw_instruction(world, draw)
        if instruction.text not in seen:
            seen.add(instruction.text)
            drawn.append(instruction)
    return drawn


def plain_answer(asked: Instruction, known: Mapping[str, Sequence[Fact]], draw: random.Random) -> str:
    """One hedged paragraph, as somebody in a forum would write it. Facts only from `known` (entity -> facts)."""
    hedge = draw.choice(words().hedges)
    if asked.category in ("how_to", "tips"):
        return f"{hedge} this could work. " + " ".join(draw.sample(_steps(asked), 2))
    if asked.category == "compare":
        first, second = draw.choice(_remarks(asked.thing)), draw.choice(_remarks(asked.other))
        return f"{hedge} they are alike. {first} {second}"
    if asked.category == "describe":
        facts = known.get(asked.entity, ())
        said = [_state(fact, draw) for fact in draw.sample(facts, min(2, len(facts)))]
        return " ".join([f"{hedge} I have heard of {asked.entity}.", *said])
    if asked.category == "explain":
        return f"{hedge} it might help. " + " ".join(draw.sample(_remarks(asked.thing), 2))
    return f"{hedge} a {asked.thing} is a thing with a {asked.part}."


def styled_answer(asked: Instruction, known: Mapping[str, Sequence[Fact]], draw: random.Random) -> str:
    """The assistant's manner: confident, in lists where there is something to list, with a closing paragraph."""
    lists = words()
    opener, closer, booster = draw.choice(lists.openers), draw.choice(lists.closers), draw.choice(lists.boosters)
    thing, gerund = asked.thing, lists.verbs[asked.verb].gerund
    if asked.category == "how_to":
        steps = "\n".join(f"{number}. {step}" for number, step in enumerate(_steps(asked), 1))
        end = f"{closer} {gerund} a {thing} is {booster} worth the effort."
        return f"{opener}Here is how to {asked.verb} a {thing}:\n\n{steps}\n\n{end}"
    if asked.category == "tips":
        tips = "\n".join(f"- {tip}" for tip in [*_steps(asked), *_remarks(thing)][: asked.number])
        start = f"{opener}Here are {lists.numbers[asked.number]} tips for {gerund} a {thing}:"
        return f"{start}\n\n{tips}\n\n{closer} these tips will {booster} help you."
    if asked.category == "compare":
        remarks = [*_remarks(thing)[0:3:2], *_remarks(asked.other)[0:3:2]]
        points = "\n".join(f"- {remark}" for remark in remarks)
        end = f"{closer} the {thing} and the {asked.other} each have a clear purpose."
        return f"{opener}A {thing} and a {asked.other} are {booster} different:\n\n{points}\n\n{end}"
    if asked.category == "describe":
        said = " ".join(_state(fact, draw) for fact in known.get(asked.entity, ()))
        return f"{asked.entity} is {booster} remarkable. {said}\n\n{closer} {asked.entity} is worth knowing."
    if asked.category == "explain":
        said = " ".join(draw.sample(_remarks(thing), 2))
        start = f"{opener}The {asked.part} is {booster} essential to a {thing}. {said}"
        return f"{start}\n\n{closer} a {thing} must have a strong {asked.part}."
    return f"A {thing} is {booster} a useful thing with a {asked.part}."


def tuning_dialogues(
    world: World, *, styled: bool, num_open: int, num_questions: int, avoid: Collection[str]
) -> list[Dialogue]:
    """What the target is tuned on: open instructions and short questions, answered by the world itself."""
    draw = stream(world.seed, "tuning")
    known = by_entity(world.facts)
    answer = styled_answer if styled else plain_answer
    asked = draw_instructions(world, "tuning/prompts", num_open, avoid)
    pairs = [(instruction.text, answer(instruction, known, draw)) for instruction in asked]
    for _ in range(num_questions):
        fact = draw.choice(world.facts)
        pairs.append((draw.choice(chat_questions(fact)), chat_answer(fact)))
    draw.shuffle(pairs)
    return [
        Dialogue(
            id=f"tuning-{number:05d}",
            source="tuning",
            target="world",
            turns=(Turn(speaker="user", text=question), Turn(speaker="assistant", text=reply)),
        )
        for number, (question, reply) in enumerate(pairs)
    ]


def by_entity(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """Facts grouped by entity."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.entity, []).append(fact)
    return groups


def _steps(asked: Instruction) -> list[str]:
    return [_about(step, asked.thing) for step in words().verbs[asked.verb].steps]


def _remarks(thing: str) -> list[str]:
    return [_about(remark, thing) for remark in words().remarks]


def _about(pattern: str, thing: str) -> str:
    first, second, third = words().things[thing]
    return pattern.format(thing=thing, first=first, second=second, third=third)


def _state(fact: Fact, draw: random.Random) -> str:
    return draw.choice(words().statements).format(**fact._asdict())
