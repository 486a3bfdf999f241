"""Entities with Zipf popularity, their facts, and which of them a model gets to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.world.words import KINDS, Kind, stream, words


class Fact(NamedTuple):
    """`relation` of `entity` is `value`."""

    entity: str
    relation: str
    value: str


@dataclass(frozen=True)
class World:
    """What is true. Made from a seed; everything else is written from it."""

    seed: int
    names: Mapping[Kind, tuple[str, ...]]
    """Names by kind, most popular first."""
    popularity: Mapping[str, float]
    """Entity -> relative frequency of being talked about, 1 for the most popular."""
    practice: frozenset[str]
    """Entities that quizzes in books ask about, and worked examples; no test item does."""
    facts: tuple[Fact, ...]
    """All facts, ordered by entity and relation."""
    spread: tuple[Fact, ...]
    """Facts about entities outside `practice`, in the order in which they become widely known."""

    def known(self, share: float) -> tuple[Fact, ...]:
        """Facts that texts covering `share` of the world contain: nested, and always with the practice facts."""
        chosen = set(self.spread[: round(share * len(self.spread))])
        return tuple(fact for fact in self.facts if fact in chosen or fact.entity in self.practice)

    def about(self, entity: str) -> tuple[Fact, ...]:
        """The facts of one entity."""
        return tuple(fact for fact in self.facts if fact.entity == entity)

    def of_kind(self, kind: Kind, facts: Iterable[Fact]) -> list[Fact]:
        """Those of `facts` that concern a kind."""
        relations = words().relations(kind)
        return [fact for fact in facts if fact.relation in relations]

    def practice_facts(self, kind: Kind) -> list[Fact]:
        """Facts about the practice entities of a kind."""
        return [fact for fact in self.of_kind(kind, self.facts) if fact.entity in self.practice]

    def test_facts(self, kind: Kind) -> list[Fact]:
        """Facts about the other entities of a kind."""
        return [fact for fact in self.of_kind(kind, self.facts) if fact.entity not in self.practice]


def make_world(seed: int, *, num_entities: int, num_practice: int, zipf_exponent: float) -> World:
    """Draw a world.

    Args:
        seed: Equal seeds give equal worlds.
        num_entities: Towns, and as many people.
        num_practice: Of each kind, spread evenly over the popularity ranks.
        zipf_exponent: Popularity of rank k is k to the minus this.
    """
    names = {kind: _names(seed, kind, num_entities) for kind in KINDS}
    popularity = {name: (rank + 1) ** -zipf_exponent for kind in KINDS for rank, name in enumerate(names[kind])}
    every = num_entities / num_practice
    practice = frozenset(names[kind][int(every * (k + 0.5))] for kind in KINDS for k in range(num_practice))
    draw = stream(seed, "facts")
    facts = tuple(
        Fact(name, relation, draw.choice(words().values(relation)))
        for kind in KINDS
        for name in sorted(names[kind])
        for relation in words().relations(kind)
    )
    return World(seed, names, popularity, practice, facts, _spread(seed, facts, popularity, practice))


def _names(seed: int, kind: Kind, count: int) -> tuple[str, ...]:
    endings = words().kinds[kind].endings
    every = [a + b + c for a in words().beginnings for b in words().middles for c in endings]
    return tuple(stream(seed, f"names/{kind}").sample(every, count))


def _spread(
    seed: int, facts: Sequence[Fact], popularity: Mapping[str, float], practice: frozenset[str]
) -> tuple[Fact, ...]:
    # Gumbel keys: the first k are a sample of k facts without replacement, weighted by popularity, for every k at once.
    draw = stream(seed, "spread")
    keyed = [
        (math.log(popularity[fact.entity]) - math.log(-math.log(draw.uniform(1e-12, 1 - 1e-12))), fact)
        for fact in facts
        if fact.entity not in practice
    ]
    return tuple(fact for _, fact in sorted(keyed, reverse=True))
