"""Places that were kept for raters who went away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from components.crowd.tables import Assignment, Pair, Rater


def release_lapsed(session: Session, study_id: int, now: float) -> int:
    """Give the places of assignments whose time is over to others; their number.

    Two servers that do this at once share the work: rows that the other holds are passed by.
    """
    asked = (
        select(Assignment.id, Assignment.pair_id, Rater.lane)
        .join(Rater, Rater.id == Assignment.rater_id)
        .where(Assignment.state == "open", Assignment.expires_at < now, Rater.study_id == study_id)
        .order_by(Assignment.id)
        .with_for_update(skip_locked=True, of=Assignment)
    )
    found = session.execute(asked).all()
    if found:
        ids = [assignment_id for assignment_id, _, _ in found]
        session.execute(update(Assignment).where(Assignment.id.in_(ids)).values(state="lapsed"))
        give_back(session, [(pair_id, lane) for _, pair_id, lane in found])
    return len(found)


def give_back(session: Session, places: list[tuple[int, str]]) -> None:
    """Free places, given as pair and lane. In the order of the pairs' ids, so that no two wait in a ring."""
    for (pair_id, lane), times in sorted(Counter(places).items()):
        column = Pair.expert_reserved if lane == "expert" else Pair.reserved
        changed(session, update(Pair).where(Pair.id == pair_id, Pair.needed > 0).values({column: column - times}))


def changed(session: Session, statement: Update, values: Mapping[str, Any] | None = None) -> bool:
    """Whether an update found a row to change."""
    result = session.execute(statement, values, execution_options={"synchronize_session": False})
    return bool(getattr(result, "rowcount", 0))
