"""Raters who came through the door of Mechanical Turk without a task of theirs.

Whoever sees the address of a HIT's frame can open it under any worker's id: the page cannot tell, because Mechanical
Turk signs nothing. Its own lists can. What was rated under an id that handed in no HIT of the study does not count.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from components.crowd.assignment.votes import exclude
from components.crowd.tables import Assignment, Rater, Study, Vote

NOT_HANDED_IN = "no HIT of the study was handed in under this worker's id"
NOT_YET = "the HIT of this rater is not handed in yet"


class HandedIn(NamedTuple):
    """What Mechanical Turk knows of a study's people."""

    raters: Collection[str]
    """Pseudonyms of all who handed in, whatever became of it."""
    allowed: timedelta
    """From accepting a HIT to handing it in, at most."""


def leave_out_absent(session: Session, study: Study, known: HandedIn, now: float) -> set[str]:
    """Exclude raters of Mechanical Turk who cannot hand in any more and have not; their places go to others.

    Mechanical Turk does not say who holds a HIT that is not handed in. Whoever was shown nothing new for as long as a
    HIT may be held cannot hold one.

    Args:
        session: The transaction.
        study: The study.
        known: Mechanical Turk's word.
        now: Seconds since 1970 UTC.

    Returns:
        Pseudonyms of those who have rated and may still hand in.
    """
    last_shown = select(func.max(Assignment.shown_at)).where(Assignment.rater_id == Rater.id).scalar_subquery()
    counts = exists().where(Vote.rater_id == Rater.id, Vote.uncounted.is_(None))
    came = (Rater.study_id == study.id) & (Rater.channel == "mturk") & Rater.excluded.is_(None)
    waiting = set()
    for rater, shown_at in session.execute(select(Rater, last_shown).where(came, counts).order_by(Rater.id)).all():
        if rater.key in known.raters:
            continue
        if now - max(rater.created_at, shown_at or 0.0) > known.allowed.total_seconds():
            exclude(session, study, rater, NOT_HANDED_IN)
        else:
            waiting.add(rater.key)
    return waiting
