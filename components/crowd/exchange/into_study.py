"""Ratings from files into a study of the service, through the checks that a vote on the page passes.

Whatever is read twice is stored once: a person has one vote on a pair, and the one that is there stays. A row that
cannot become a vote is told with its line and the reason, and the others are kept.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError, UsageError
from components.crowd.assignment.votes import Answering, check_rules, store_answer
from components.crowd.database import Store
from components.crowd.exchange.ratings import CONTRADICTS, Rating, said_ticket
from components.crowd.exchange.tickets import Shown, by_ticket
from components.crowd.invitations import rater_for, rater_key
from components.crowd.study.audit import note
from components.crowd.study.closing import find_study, takes_votes
from components.crowd.study.design import shown
from components.crowd.study.rules import pressed
from components.crowd.tables import Assignment, Pair, Rater, Study, Vote

BATCH = 500
CLOSED = "the study takes no votes any more"
ANOTHER = "this rater's answer to the pair is stored, and it is another"
BEYOND = "beyond the {} pairs that the study's design (items_per_rater) gives one rater"
RATED = ("headline", "placebo")
"""Kinds of pairs that one rater may have `items_per_rater` of. A sheet holds all of a study's checks, the page shows a
few: they come on top, or a whole sheet of a small study would be too much for anybody."""


class Refused(NamedTuple):
    """A row that became no vote."""

    where: str
    """File and line."""
    reason: str


class TakenIn(NamedTuple):
    """What became of the ratings."""

    study: str
    num_stored: int
    """New votes."""
    num_surplus: int
    """Of them, those on pairs that had their raters already: kept, and not counted."""
    num_already: int
    """Rows that say what is stored already."""
    num_beyond: int
    """Of the refused, those beyond what the study gives one rater."""
    refused: tuple[Refused, ...]
    excluded: Mapping[str, str]
    """Rater (pseudonym) -> the rule that these votes broke."""


class _Vote(NamedTuple):
    """A row that may become a vote."""

    rating: Rating
    shown: Shown
    pair_id: int
    """In the database."""

    @property
    def outcome(self) -> str:
        assert self.rating.choice is not None
        return pressed(self.rating.choice, self.shown.model_left)


def store_ratings(
    store: Store,
    name: str | None,
    ratings: Sequence[Rating],
    pairs: Sequence[StudyPair],
    *,
    secret: bytes,
    clock: Callable[[], float] = time.time,
) -> TakenIn:
    """Store what people said in files as votes of a study; each person's in one transaction.

    Args:
        store: The service's database.
        name: The study; null = the only one.
        ratings: In the order of the files.
        pairs: What the files were made from.
        secret: The service's: the same person has the same pseudonym as on its page.
        clock: Seconds since 1970 UTC.

    Raises:
        TouchstoneError: there is no such study, or it is closed.
    """
    study, there = store.run(lambda session: _open_study(session, name, pairs, clock()))
    by_person, refused = _sorted_out(ratings, by_ticket(pairs), there, study)
    stored, surplus, already, beyond, excluded = 0, 0, 0, 0, {}
    for person, votes in by_person.items():
        key = rater_key(secret, study.name, person)
        done = store.run(partial(_take, study_id=study.id, key=key, votes=votes, now=clock()))
        stored, surplus, already = stored + done.stored, surplus + done.surplus, already + done.already
        beyond += done.beyond
        refused += done.refused
        if done.broken is not None:
            excluded[key] = done.broken
    order = {rating.where: number for number, rating in enumerate(ratings)}
    refused.sort(key=lambda row: order[row.where])
    return TakenIn(study.name, stored, surplus, already, beyond, tuple(refused), excluded)


def _open_study(
    session: Session, name: str | None, pairs: Sequence[StudyPair], now: float
) -> tuple[Study, dict[str, int]]:
    """The study, and the ids of those of `pairs` that it has with the very same texts."""
    study = find_study(session, name)
    if not takes_votes(study, now):
        raise TouchstoneError(
            f"{CLOSED}: {study.name}",
            expected="a study that is open, before its deadline",
            remedy=f"touchstone crowd open {study.name}; or leave --into away, for judgments beside the study's",
        )
    texts = {pair.pair_id: tuple(map(shown, (pair.prompt, pair.output, pair.opponent_output))) for pair in pairs}
    asked = select(Pair.key, Pair.id, Pair.prompt, Pair.output, Pair.opponent_output).where(Pair.study_id == study.id)
    rows = session.execute(asked.execution_options(yield_per=500))
    return study, {key: pair_id for key, pair_id, *there in rows if texts.get(key) == tuple(there)}


def _sorted_out(
    ratings: Sequence[Rating], known: Mapping[str, Shown], there: Mapping[str, int], study: Study
) -> tuple[dict[str, list[_Vote]], list[Refused]]:
    """Person -> what may become votes, and everything else."""
    by_person: dict[str, list[_Vote]] = defaultdict(list)
    refused = []
    for rating in ratings:
        found = known.get(rating.ticket)
        person = rating.rater.strip()
        if found is None:
            refused.append(Refused(rating.where, f"the ticket {said_ticket(rating)} is of no pair that was given"))
        elif found.pair.pair_id not in there:
            refused.append(Refused(rating.where, f"the study {study.name} has no such pair, or with other texts"))
        elif rating.choice is None:
            refused.append(Refused(rating.where, rating.unscored or "no answer"))
        elif not person:
            refused.append(Refused(rating.where, "it does not say who rated: fill the column rater, or give --rater"))
        else:
            by_person[person].append(_Vote(rating, found, there[found.pair.pair_id]))
    for person, votes in by_person.items():
        contradictions = _contradictions(votes)
        refused += [Refused(vote.rating.where, CONTRADICTS) for vote in votes if vote.pair_id in contradictions]
        by_person[person] = [vote for vote in votes if vote.pair_id not in contradictions]
    return {person: votes for person, votes in by_person.items() if votes}, refused


def _contradictions(votes: Sequence[_Vote]) -> set[int]:
    """Pairs of which one person says two things: neither is known to be meant."""
    said: dict[int, set[str]] = defaultdict(set)
    for vote in votes:
        said[vote.pair_id].add(vote.outcome)
    return {pair_id for pair_id, outcomes in said.items() if len(outcomes) > 1}


class _Done(NamedTuple):
    """What became of one person's rows."""

    stored: int
    surplus: int
    already: int
    beyond: int
    refused: list[Refused]
    broken: str | None


def _take(session: Session, study_id: int, key: str, votes: Sequence[_Vote], now: float) -> _Done:
    return _Person(session, study_id, key, now).take(votes)


class _Person:
    """One person's rows, in one transaction."""

    def __init__(self, session: Session, study_id: int, key: str, now: float) -> None:
        self.session, self.key, self.now = session, key, now
        self.study = session.get_one(Study, study_id)

    def take(self, votes: Sequence[_Vote]) -> _Done:
        """Store what may be stored."""
        rater, reason = self._rater()
        if rater is None:
            return _Done(0, 0, 0, 0, [Refused(vote.rating.where, reason) for vote in votes], None)
        answered = self._answered(rater)
        self._hold({vote.pair_id for vote in votes} - answered.keys())
        left = self.study.items_per_rater - self._rated(rater)
        refused: list[Refused] = []
        surplus, already, stored, beyond = 0, 0, 0, 0
        for vote in votes:
            rated = vote.shown.pair.kind in RATED
            if vote.pair_id in answered:
                if answered[vote.pair_id] == vote.outcome:
                    already += 1
                else:
                    refused.append(Refused(vote.rating.where, ANOTHER))
            elif rated and left <= 0:
                beyond += 1
                refused.append(Refused(vote.rating.where, BEYOND.format(self.study.items_per_rater)))
            else:
                surplus += not self._stored_and_counted(rater, vote)
                answered[vote.pair_id] = vote.outcome
                stored, left = stored + 1, left - rated
        return _Done(stored, surplus, already, beyond, refused, self._close(rater, stored) if stored else None)

    def _rater(self) -> tuple[Rater | None, str]:
        """The rater, whom nobody else can change meanwhile; or why nothing of theirs is taken."""
        if not takes_votes(self.study, self.now):
            return None, CLOSED
        try:
            rater = rater_for(self.session, self.study, self.key, channel="import")
        except UsageError as error:
            return None, error.found
        self.session.refresh(rater, with_for_update=True)
        return (None, f"rater excluded: {rater.excluded}") if rater.excluded is not None else (rater, "")

    def _answered(self, rater: Rater) -> dict[int, str | None]:
        """Pair -> what the rater said of it; null = a problem was reported."""
        asked = select(Vote.pair_id, Vote.outcome).where(Vote.rater_id == rater.id)
        return dict(self.session.execute(asked).all())

    def _rated(self, rater: Rater) -> int:
        """How many of the pairs that are not there to check raters this one has rated, here or on the page."""
        asked = select(func.count()).select_from(Vote).join(Pair, Pair.id == Vote.pair_id)
        return self.session.scalar(asked.where(Vote.rater_id == rater.id, Pair.kind.in_(RATED))) or 0

    def _hold(self, pair_ids: set[int]) -> None:
        """Take hold of the pairs in the order of their ids, so that no two imports wait in a ring."""
        for begin in range(0, len(pair_ids), BATCH):
            some = sorted(pair_ids)[begin : begin + BATCH]
            self.session.execute(select(Pair.id).where(Pair.id.in_(some)).order_by(Pair.id).with_for_update())

    def _stored_and_counted(self, rater: Rater, vote: _Vote) -> bool:
        """Store a vote; whether its pair had a place for it."""
        answering = self._assignment(rater, vote)
        assert vote.rating.choice is not None
        store_answer(self.session, rater, answering, vote.rating.choice, self.now, vote.rating.seconds)
        stored = select(Vote.uncounted).where(Vote.rater_id == rater.id, Vote.pair_id == vote.pair_id)
        return self.session.execute(stored).scalar_one() is None

    def _assignment(self, rater: Rater, vote: _Vote) -> Answering:
        """The pair put before the rater: as a sheet did, which keeps no place, or by the page, whose place is used."""
        left, kind = vote.shown.model_left, vote.shown.pair.kind
        found = self.session.scalar(
            select(Assignment).where(Assignment.rater_id == rater.id, Assignment.pair_id == vote.pair_id)
        )
        if found is None:
            found = Assignment(
                rater_id=rater.id, pair_id=vote.pair_id, state="lapsed", shown_at=self.now, expires_at=self.now
            )
            self.session.add(found)
        found.model_left = left
        self.session.flush()
        needed = self.study.raters_per_pair if kind in RATED else 0
        return Answering(found.id, vote.pair_id, left, found.shown_at, needed, kind)

    def _close(self, rater: Rater, stored: int) -> str | None:
        """Write the log, and hold the rater against the rules; which one is broken."""
        rater.started_at = rater.started_at or self.now
        # Never a file's name: it may say who filled it.
        note(self.session, "command", "import", self.study.name, f"rater {rater.key}: {stored} votes from files")
        return check_rules(self.session, self.study, rater)
