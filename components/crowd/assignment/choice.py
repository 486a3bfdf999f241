"""Which pair a rater sees next: checks at their planned places, otherwise the most divided and least rated pairs.

The order adapts to the votes; their number per pair does not. A place at a pair is taken in the database by one
conditional update, so that two servers never give out the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, exists, func, insert, select, update
from sqlalchemy.orm import Session

from components.crowd.assignment.lapse import changed, release_lapsed
from components.crowd.study.design import SHUFFLE_PRIME, kinds_for, model_left, rater_factor
from components.crowd.tables import Assignment, Pair, Rater, Study, Vote

CANDIDATES = 8
"""Pairs looked up at once: when another rater takes the first, there is a second."""


class Item(NamedTuple):
    """A pair before a rater, and how far the rater is."""

    assignment_id: int
    pair_id: int
    model_left: bool
    place: int
    """Which item of the rater's it is, from 1."""
    items: int
    """How many there will be at most: the study's quota, which its creation has cut to what there is."""


class Candidate(NamedTuple):
    """A pair that could be shown."""

    id: int
    key: str
    repeat_of: int | None
    needed: int


def next_item(session: Session, study: Study, rater: Rater, now: float) -> Item | None:
    """The pair that is open before the rater, or a new one; null = nothing is left for this rater."""
    is_open = Assignment.state == "open"
    place, *opened = session.execute(
        select(
            func.count(case((is_open, None), else_=1)),
            func.max(case((is_open, Assignment.id))),
            func.max(case((is_open, Assignment.pair_id))),
            func.max(case((is_open & Assignment.model_left, 1), else_=0)),
        ).where(Assignment.rater_id == rater.id)
    ).one()
    if opened[0] is not None:
        return Item(opened[0], opened[1], bool(opened[2]), place + 1, study.items_per_rater)
    if place >= study.items_per_rater:
        return None
    candidate = _taken(session, study, rater, place)
    if candidate is None and release_lapsed(session, study.id, now):
        candidate = _taken(session, study, rater, place)
    if candidate is None:
        return None
    left = _side(session, study, rater, candidate)
    values = {"rater_id": rater.id, "pair_id": candidate.id, "model_left": left, "state": "open", "shown_at": now}
    asked = insert(Assignment).values(**values, expires_at=now + study.reserve_seconds).returning(Assignment.id)
    return Item(session.scalars(asked).one(), candidate.id, left, place + 1, study.items_per_rater)


def majority_missing() -> ColumnElement[bool]:
    """Whether a pair has all its crowd votes and none of the three outcomes more than half of them."""
    rated = Pair.wins + Pair.ties + Pair.losses
    return (
        (Pair.kind == "headline")
        & (rated >= Pair.needed)
        & (2 * Pair.wins <= rated)
        & (2 * Pair.ties <= rated)
        & (2 * Pair.losses <= rated)
    )


def _taken(session: Session, study: Study, rater: Rater, place: int) -> Candidate | None:
    """A pair at which a place was taken for the rater."""
    for asked in _questions(study, rater, place):
        while found := [Candidate(*row) for row in session.execute(asked.limit(CANDIDATES))]:
            for candidate in found:
                if _take(session, study, rater, candidate):
                    return candidate
            # All of them were taken by others since: look again.
    return None


def _take(session: Session, study: Study, rater: Rater, candidate: Candidate) -> bool:
    if candidate.needed == 0:
        return True
    if rater.lane == "expert":
        free = Pair.expert_reserved < study.experts_per_pair
        change = {"expert_reserved": Pair.expert_reserved + 1}
    else:
        free, change = Pair.reserved < Pair.needed, {"reserved": Pair.reserved + 1}
    return changed(session, update(Pair).where(Pair.id == candidate.id, free).values(change))


def _questions(study: Study, rater: Rater, place: int) -> Sequence[Select[int, str, int | None, int]]:
    """Where to look for the rater's next pair, in order of preference."""
    unseen = ~exists().where(Assignment.rater_id == rater.id, Assignment.pair_id == Pair.id)
    asked = select(Pair.id, Pair.key, Pair.repeat_of, Pair.needed).where(Pair.study_id == study.id, unseen)
    shuffled = cast(Pair.shuffle, BigInteger) * rater_factor(study.seed, rater.key) % SHUFFLE_PRIME
    if rater.lane == "expert":
        free = Pair.expert_reserved < study.experts_per_pair
        return [asked.where(majority_missing(), free).order_by(shuffled)]
    sides: list[ColumnElement[int]] = [case((column > 0, 1), else_=0) for column in (Pair.wins, Pair.ties, Pair.losses)]
    divided = sides[0] + sides[1] + sides[2] >= 2
    ordinary = asked.where(Pair.kind.in_(("headline", "placebo")), Pair.reserved < Pair.needed).order_by(
        case((divided, 0), else_=1), Pair.reserved, shuffled
    )
    planned = kinds_for(study.seed, rater.key, study.items_per_rater, study.gold_share, study.repeat_share)[place]
    if planned == "gold":
        return [asked.where(Pair.kind == "gold").order_by(shuffled), ordinary]
    if planned == "repeat":
        # The longest ago first, for the memory of it has faded most.
        again = asked.join(Vote, (Vote.pair_id == Pair.repeat_of) & (Vote.rater_id == rater.id))
        return [again.where(Pair.kind == "repeat", Vote.outcome.is_not(None)).order_by(Vote.id), ordinary]
    return [ordinary]


def _side(session: Session, study: Study, rater: Rater, candidate: Candidate) -> bool:
    """Whether the model under test goes left; on a repeat where it was not the first time."""
    if candidate.repeat_of is not None:
        first = session.scalar(
            select(Vote.model_left).where(Vote.pair_id == candidate.repeat_of, Vote.rater_id == rater.id)
        )
        if first is not None:
            return not first
    return model_left(study.seed, rater.key, candidate.key)
