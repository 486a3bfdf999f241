"""What becomes of an answer: stored once, counted at most as often as the pair asks for."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from components.crowd.assignment.lapse import changed, give_back
from components.crowd.study.audit import note
from components.crowd.study.rules import Answered, ExclusionRules, broken_rule, pressed, quality
from components.crowd.tables import Assignment, Pair, Rater, Study, Vote, table_of

Choice = Literal["left", "equal", "right"]
Kept = Literal["stored", "check", "already", "unknown"]
"""stored: now. check: stored, and it is time to hold the rater against the rules. already: the rater has answered this
pair before, and the first answer stands. unknown: no such assignment of this rater."""

SURPLUS = "the pair already had its raters when this answer came"
COLUMN = {"win": Pair.wins, "tie": Pair.ties, "loss": Pair.losses}
CHECK_EVERY = 5
"""After every answer to a gold item or a repeat the rules are asked, and after about one in so many others."""


class Answering(NamedTuple):
    """An assignment that is being answered."""

    id: int
    pair_id: int
    model_left: bool
    shown_at: float
    needed: int
    kind: str


def record_vote(session: Session, rater: Rater, assignment_id: int, choice: Choice, now: float) -> Kept:
    """Store which button a rater pressed. Repeated, it changes nothing: the first answer stands.

    The caller holds the rater's row (`locked_rater`), so that no exclusion comes in between.
    """
    found = _assignment(session, rater, assignment_id)
    return "unknown" if found is None else store_answer(session, rater, found, choice, now, _since_shown(found, now))


def store_answer(
    session: Session, rater: Rater, found: Answering, choice: Choice, now: float, seconds: float | None
) -> Kept:
    """Store an answer to an assignment of the rater's, whose row the caller holds.

    Args:
        session: The transaction.
        rater: Whose answer it is.
        found: What was answered.
        choice: The button.
        now: When the answer came.
        seconds: How long it took; null = nobody measured.
    """
    outcome = pressed(choice, found.model_left)
    vote_id = _insert(session, rater, found, now, seconds, outcome=outcome)
    if vote_id is None:
        return "already"
    held = _finish(session, found.id, "done")
    if found.needed and not held and not _take_again(session, rater, found.pair_id):
        session.execute(update(Vote).where(Vote.id == vote_id).values(uncounted=SURPLUS))
    elif found.needed and rater.lane == "crowd":
        changed(session, COUNTED[outcome], {"pair": found.pair_id})
    return "check" if found.kind in {"gold", "repeat"} or found.id % CHECK_EVERY == 0 else "stored"


def record_problem(session: Session, study: Study, rater: Rater, assignment_id: int, words: str, now: float) -> Kept:
    """Store that the rater could not answer, and why; the pair's place goes to somebody else."""
    found = _assignment(session, rater, assignment_id)
    if found is None:
        return "unknown"
    reported = {"problem": words.strip() or "no words", "uncounted": "a problem was reported instead of an answer"}
    if _insert(session, rater, found, now, _since_shown(found, now), **reported) is None:
        return "already"
    if _finish(session, found.id, "problem"):
        give_back(session, [(found.pair_id, rater.lane)])
    note(session, f"rater:{rater.key}", "problem", study.name, f"pair {found.pair_id}")
    return "stored"


def check_rules(session: Session, study: Study, rater: Rater) -> str | None:
    """Exclude the rater if a rule is broken: all votes so far stop counting, and their places go to others.

    Runs in a transaction after the one that stored the vote, since it locks many pairs.

    Returns:
        The rule that is broken, in words; null = none, or the rater is excluded already.
    """
    if rater.excluded is not None or rater.lane == "expert":
        return None
    answers = answers_of(session, [rater.id]).get(rater.id, [])
    broken = broken_rule(ExclusionRules.kept(study.rules), quality(answers))
    if broken is not None:
        exclude(session, study, rater, broken)
    return broken


def exclude(session: Session, study: Study, rater: Rater, reason: str, *, actor: str = "service") -> None:
    """Take all of a rater's votes out of the count, with the reason; the votes themselves stay."""
    session.execute(update(Rater).where(Rater.id == rater.id).values(excluded=reason))
    rater.excluded = reason
    votes = list(
        session.execute(
            select(Vote.id, Vote.pair_id, Vote.outcome, Pair.needed)
            .join(Pair, Pair.id == Vote.pair_id)
            .where(Vote.rater_id == rater.id, Vote.uncounted.is_(None))
            .order_by(Vote.pair_id)
        )
    )
    session.execute(
        update(Vote).where(Vote.id.in_([vote[0] for vote in votes])).values(uncounted=f"rater excluded: {reason}")
    )
    for _, pair_id, outcome, needed in votes:
        if needed and outcome and rater.lane == "crowd":
            column = COLUMN[outcome]
            less = {column: column - 1, Pair.reserved: Pair.reserved - 1}
            changed(session, update(Pair).where(Pair.id == pair_id).values(less))
    drop_open(session, rater)
    note(session, actor, "exclude", study.name, f"rater {rater.key}: {reason}")


def drop_open(session: Session, rater: Rater) -> None:
    """End what is open before a rater without an answer; its place goes to others."""
    found = session.scalar(select(Assignment).where(Assignment.rater_id == rater.id, Assignment.state == "open"))
    if found is not None and _finish(session, found.id, "lapsed"):
        give_back(session, [(found.pair_id, rater.lane)])


def answers_of(session: Session, rater_ids: list[int]) -> dict[int, list[Answered]]:
    """What each rater answered, in order, with what was to be expected on gold items and repeats."""
    first = Vote.__table__.alias("first")
    asked = (
        select(Vote.rater_id, Pair.kind, Vote.outcome, Vote.model_left, Pair.gold, first.c.outcome, Vote.seconds)
        .join(Pair, Pair.id == Vote.pair_id)
        .outerjoin(first, (first.c.pair_id == Pair.repeat_of) & (first.c.rater_id == Vote.rater_id))
        .where(Vote.rater_id.in_(rater_ids), Vote.outcome.is_not(None))
        .order_by(Vote.id)
    )
    found: dict[int, list[Answered]] = {}
    for rater_id, kind, outcome, left, gold, before, seconds in session.execute(asked):
        found.setdefault(rater_id, []).append(Answered(kind, str(outcome), left, gold or before, seconds))
    return found


def _assignment(session: Session, rater: Rater, assignment_id: int) -> Answering | None:
    row = session.execute(ANSWERED, {"assignment": assignment_id, "rater": rater.id}).one_or_none()
    return Answering._make(row) if row is not None else None


def _since_shown(found: Answering, now: float) -> float | None:
    """Null where a clock was set back in between, which has measured nothing."""
    return now - found.shown_at if now >= found.shown_at else None


def _insert(
    session: Session, rater: Rater, found: Answering, now: float, seconds: float | None, **values: str
) -> int | None:
    """The new vote's id; null when the rater has answered the pair before."""
    row = {
        "pair_id": found.pair_id,
        "rater_id": rater.id,
        "model_left": found.model_left,
        "seconds": seconds,
        "answered_at": now,
        **dict.fromkeys(("outcome", "uncounted", "problem")),
        **values,
    }
    return session.execute(NEW_VOTE[session.get_bind().dialect.name], row).scalar_one_or_none()


def _finish(session: Session, assignment_id: int, state: str) -> bool:
    """Whether the assignment was still open, and so held its place."""
    values = {"assignment": assignment_id, "to": state}
    held = changed(session, FINISH_OPEN, values)
    if not held:
        changed(session, FINISH, values)
    return held


def _take_again(session: Session, rater: Rater, pair_id: int) -> bool:
    """Whether a place is left at the pair of an answer that came late."""
    taken = update(Pair).where(Pair.id == pair_id)
    if rater.lane == "expert":
        return changed(session, taken.values(expert_reserved=Pair.expert_reserved + 1))
    return changed(session, taken.where(Pair.reserved < Pair.needed).values(reserved=Pair.reserved + 1))


_PAIR, _ASSIGNMENT, _VOTE = table_of(Pair), table_of(Assignment), table_of(Vote)
# Built once, of tables and not of classes, as in `choice`.
ANSWERED = (
    select(*(_ASSIGNMENT.c[name] for name in ("id", "pair_id", "model_left", "shown_at")), _PAIR.c.needed, _PAIR.c.kind)
    .join_from(_ASSIGNMENT, _PAIR, _PAIR.c.id == _ASSIGNMENT.c.pair_id)
    .where(_ASSIGNMENT.c.id == bindparam("assignment"), _ASSIGNMENT.c.rater_id == bindparam("rater"))
)
FINISH = update(_ASSIGNMENT).where(_ASSIGNMENT.c.id == bindparam("assignment")).values(state=bindparam("to"))
FINISH_OPEN = FINISH.where(_ASSIGNMENT.c.state == "open")
COUNTED = {
    outcome: update(_PAIR).where(_PAIR.c.id == bindparam("pair")).values({column.key: _PAIR.c[column.key] + 1})
    for outcome, column in COLUMN.items()
}
NEW_VOTE = {
    kind: make(_VOTE).on_conflict_do_nothing(index_elements=["rater_id", "pair_id"]).returning(_VOTE.c.id)
    for kind, make in (("postgresql", postgresql_insert), ("sqlite", sqlite_insert))
}
