"""Which pair a rater sees next: checks at their planned places, otherwise the most divided and least rated pairs.

The order adapts to the votes; their number per pair does not. A place at a pair is taken in the database by one
conditional update, so that two servers never give out the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, case, cast, exists, func, insert, select, update
from sqlalchemy.orm import Session

from components.crowd.assignment.lapse import changed, release_lapsed
from components.crowd.study.design import SHUFFLE_PRIME, kinds_for, model_left, rater_factor
from components.crowd.tables import Assignment as AssignmentRow
from components.crowd.tables import Pair, Rater, Study, table_of
from components.crowd.tables import Vote as VoteRow

CANDIDATES = 8
"""Pairs looked up at once: when another rater takes the first, there is a second."""
ASSIGNMENT, PAIR, VOTE = (table_of(row).c for row in (AssignmentRow, Pair, VoteRow))
"""Columns. The statements below are built once, of tables and not of classes: a vote costs a third less for it."""


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
    place, *opened = session.execute(WHERE_THE_RATER_IS, {"rater": rater.id}).one()
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
    made = session.execute(NEW_ASSIGNMENT, {**values, "expires_at": now + study.reserve_seconds}).scalar_one()
    return Item(made, candidate.id, left, place + 1, study.items_per_rater)


def may_come_back(session: Session, study: Study, rater: Rater) -> bool:
    """Whether pairs that the rater has not seen are only held for others who may not answer them."""
    if session.execute(WHERE_THE_RATER_IS, {"rater": rater.id}).one()[0] >= study.items_per_rater:
        return False
    values = {"study": study.id, "rater": rater.id, "experts": study.experts_per_pair}
    return session.execute(HELD_FOR_EXPERTS if rater.lane == "expert" else HELD, values).first() is not None


def majority_missing() -> ColumnElement[bool]:
    """Whether a pair has all its crowd votes and none of the three outcomes more than half of them."""
    rated = PAIR.wins + PAIR.ties + PAIR.losses
    most = [2 * column <= rated for column in (PAIR.wins, PAIR.ties, PAIR.losses)]
    return (PAIR.kind == "headline") & (PAIR.needed > 0) & (rated >= PAIR.needed) & most[0] & most[1] & most[2]


def _taken(session: Session, study: Study, rater: Rater, place: int) -> Candidate | None:
    """A pair at which a place was taken for the rater."""
    values = {
        "study": study.id,
        "rater": rater.id,
        "factor": rater_factor(study.seed, rater.key),
        "experts": study.experts_per_pair,
    }
    for asked in _questions(study, rater, place):
        while found := [Candidate(*row) for row in session.execute(asked, values)]:
            for candidate in found:
                if candidate.needed == 0 or _take(session, rater, candidate, values):
                    return candidate
            # All of them were taken by others since: look again.
    return None


def _take(session: Session, rater: Rater, candidate: Candidate, values: Mapping[str, Any]) -> bool:
    taking = TAKE_EXPERTS if rater.lane == "expert" else TAKE
    return changed(session, taking, {"pair": candidate.id, "experts": values["experts"]})


def _questions(study: Study, rater: Rater, place: int) -> Sequence[Select[Any]]:
    """Where to look for the rater's next pair, in order of preference."""
    if rater.lane == "expert":
        return [DIVIDED]
    planned = kinds_for(study.seed, rater.key, study.items_per_rater, study.gold_share, study.repeat_share)[place]
    checks: dict[str, Select[Any]] = {"gold": GOLD, "repeat": REPEATS}
    return [checks[planned], ORDINARY] if planned in checks else [ORDINARY]


def _side(session: Session, study: Study, rater: Rater, candidate: Candidate) -> bool:
    """Whether the model under test goes left; on a repeat where it was not the first time."""
    if candidate.repeat_of is not None:
        values = {"rater": rater.id, "pair": candidate.repeat_of}
        first = session.execute(FIRST_SIDE, values).scalar_one_or_none()
        if first is not None:
            return not first
    return model_left(study.seed, rater.key, candidate.key)


_OPEN = ASSIGNMENT.state == "open"
WHERE_THE_RATER_IS = select(
    func.count(case((_OPEN, None), else_=1)),
    func.max(case((_OPEN, ASSIGNMENT.id))),
    func.max(case((_OPEN, ASSIGNMENT.pair_id))),
    func.max(case((_OPEN & ASSIGNMENT.model_left, 1), else_=0)),
).where(ASSIGNMENT.rater_id == bindparam("rater"))
"""Items that are behind the rater; of the open one: its id, pair and side."""
NEW_ASSIGNMENT = insert(table_of(AssignmentRow)).returning(ASSIGNMENT.id)
FIRST_SIDE = select(VOTE.model_left).where(VOTE.rater_id == bindparam("rater"), VOTE.pair_id == bindparam("pair"))

_UNSEEN = ~exists().where(ASSIGNMENT.rater_id == bindparam("rater"), ASSIGNMENT.pair_id == PAIR.id)
_SHUFFLED = cast(PAIR.shuffle, BigInteger) * bindparam("factor", type_=BigInteger) % SHUFFLE_PRIME
_ASKED = (
    select(PAIR.id, PAIR.key, PAIR.repeat_of, PAIR.needed)
    .where(PAIR.study_id == bindparam("study"), _UNSEEN)
    .limit(CANDIDATES)
)
_SIDES: list[ColumnElement[int]] = [case((column > 0, 1), else_=0) for column in (PAIR.wins, PAIR.ties, PAIR.losses)]
_EXPERT_VOTES = (
    select(func.count())
    .select_from(table_of(VoteRow).join(table_of(Rater)))
    .where(VOTE.pair_id == PAIR.id, VOTE.outcome.is_not(None), table_of(Rater).c.lane == "expert")
    .scalar_subquery()
)
_FREE = PAIR.reserved < PAIR.needed
_FREE_FOR_EXPERTS = PAIR.expert_reserved < bindparam("experts")
ORDINARY = _ASKED.where(PAIR.kind.in_(("headline", "placebo")), _FREE).order_by(
    case((_SIDES[0] + _SIDES[1] + _SIDES[2] >= 2, 0), else_=1), PAIR.reserved, _SHUFFLED
)
"""The divided first, then the least rated, then the rater's own order."""
GOLD = _ASKED.where(PAIR.kind == "gold").order_by(_SHUFFLED)
REPEATS = (
    _ASKED.join(table_of(VoteRow), (VOTE.pair_id == PAIR.repeat_of) & (VOTE.rater_id == bindparam("rater")))
    .where(PAIR.kind == "repeat", VOTE.outcome.is_not(None))
    .order_by(VOTE.id)
)
"""The longest ago first, for the memory of it has faded most."""
DIVIDED = _ASKED.where(majority_missing(), _FREE_FOR_EXPERTS).order_by(_SHUFFLED)
HELD = _ASKED.where(PAIR.kind.in_(("headline", "placebo")), PAIR.wins + PAIR.ties + PAIR.losses < PAIR.needed)
HELD_FOR_EXPERTS = _ASKED.where(majority_missing(), bindparam("experts") > _EXPERT_VOTES)
TAKE = update(table_of(Pair)).where(PAIR.id == bindparam("pair"), _FREE).values(reserved=PAIR.reserved + 1)
TAKE_EXPERTS = (
    update(table_of(Pair))
    .where(PAIR.id == bindparam("pair"), _FREE_FOR_EXPERTS)
    .values(expert_reserved=PAIR.expert_reserved + 1)
)
