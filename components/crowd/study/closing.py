"""Opening, closing and forgetting."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from components.contracts.errors import UsageError
from components.crowd.assignment.lapse import give_back
from components.crowd.assignment.votes import COLUMN, check_rules
from components.crowd.study.audit import note
from components.crowd.tables import Assignment, AuditEntry, Pair, Rater, Study, Vote


def find_study(session: Session, name: str | None) -> Study:
    """The study of that name; without a name the only one there is.

    Raises:
        UsageError: there is none, or there are several and none was named.
    """
    studies = {study.name: study for study in session.scalars(select(Study).order_by(Study.id))}
    if name is None and len(studies) == 1:
        return next(iter(studies.values()))
    if name is None or name not in studies:
        raise UsageError(
            f"there is no study {name!r}" if name else f"{len(studies)} studies are in the database",
            expected="one of " + ", ".join(studies) if studies else "a study: make one with `touchstone crowd create`",
        )
    return studies[name]


def takes_votes(study: Study, now: float) -> bool:
    """Whether the study is open and its deadline has not passed."""
    return not study.closed and (study.closes_at is None or now < study.closes_at)


def set_closed(session: Session, study: Study, closed: bool, *, actor: str = "command") -> None:
    """Close a study, or open it again. On closing, every rater is held against the rules once more."""
    study.closed = closed
    if closed:
        for rater in raters_locked(session, study):
            check_rules(session, study, rater)
    note(session, actor, "close" if closed else "open", study.name)


def apply_rules(session: Session, study: Study) -> list[str]:
    """Hold every rater against the rules, with the votes as they are now; the pseudonyms of those excluded by it."""
    return [rater.key for rater in raters_locked(session, study) if check_rules(session, study, rater) is not None]


def raters_locked(session: Session, study: Study) -> list[Rater]:
    """The study's raters, whose votes wait meanwhile; in the order of ids, so that no two wait in a ring."""
    return list(session.scalars(select(Rater).where(Rater.study_id == study.id).order_by(Rater.id).with_for_update()))


def forget(session: Session, study: Study, key: str, *, actor: str = "command") -> int:
    """Delete a rater with all votes, by pseudonym; how many votes there were.

    Places at pairs go to others, the link becomes void, the log keeps that somebody was forgotten and not who. Ledger
    lines keep their amount.

    Raises:
        UsageError: no such rater.
    """
    rater = session.scalar(select(Rater).where(Rater.study_id == study.id, Rater.key == key).with_for_update())
    if rater is None:
        raise UsageError(f"the study {study.name!r} has no such rater", expected="a pseudonym that `status` lists")
    votes = session.execute(
        select(Vote.pair_id, Vote.outcome, Pair.needed)
        .join(Pair, Pair.id == Vote.pair_id)
        .where(Vote.rater_id == rater.id, Vote.uncounted.is_(None))
        .order_by(Vote.pair_id)
    ).all()
    for pair_id, outcome, needed in votes:
        if needed and outcome and rater.lane == "crowd":
            column = COLUMN[outcome]
            session.execute(update(Pair).where(Pair.id == pair_id).values({column: column - 1}))
    open_ones = select(Assignment.pair_id).where(Assignment.rater_id == rater.id, Assignment.state == "open")
    places = [pair_id for pair_id, _, _ in votes] + list(session.scalars(open_ones))
    give_back(session, [(pair_id, rater.lane) for pair_id in places])
    number = len(list(session.scalars(select(Vote.id).where(Vote.rater_id == rater.id))))
    session.execute(delete(Rater).where(Rater.id == rater.id).execution_options(synchronize_session=False))
    _blank(session, study.name, rater.key)
    note(session, actor, "forget", study.name, f"one rater, {number} votes")
    return number


def _blank(session: Session, study: str, key: str) -> None:
    for entry in session.scalars(select(AuditEntry).where(AuditEntry.study == study)):
        entry.actor = entry.actor.replace(key, "forgotten")
        entry.detail = entry.detail.replace(key, "forgotten")
