"""Takes in what people said so far; closes a study that is complete or over, approves and pays on Mechanical Turk."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from components.contracts.crowd_rows import Hit, PayLine, StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.crowd.assignment.choice import majority_missing
from components.crowd.invitations import mturk_identity, rater_key
from components.crowd.mturk.absent import NOT_YET, HandedIn, leave_out_absent
from components.crowd.mturk.pay_book import PayBook
from components.crowd.mturk.requester import Requester
from components.crowd.mturk.settling import Bonuses, Submissions, close_hits, pay_bonuses, review_submissions
from components.crowd.opened import opened_store
from components.crowd.payments import PayRules, TimedVote, pay_ledger
from components.crowd.study.closing import apply_rules, find_study, set_closed, takes_votes
from components.crowd.study.results import judgments
from components.crowd.tables import Pair, Rater, Study, Vote


class Account(NamedTuple):
    """The requester's account on Mechanical Turk, and how it is to be used."""

    profile: str = ""
    endpoint: str = ""
    max_bonuses_usd: float = 0.0
    """All bonuses with their fees may not cost more; 0 = no bonus is paid, the ledger says what is owed."""
    reject_reason: str = ""
    """What people are told who opened the page, gave not one answer and submitted; empty = everybody is approved."""


class Standing(NamedTuple):
    """How far a study is."""

    closed: bool
    """No vote is taken any more."""
    deadline_passed: bool
    """It ended by its deadline and not because it was complete."""
    num_pairs: int
    """Headline and placebo pairs."""
    num_complete: int
    """Of them, those with all their votes."""
    num_missing: int
    """Votes that are missing."""
    num_for_experts: int = 0
    """Divided pairs that wait for the experts who were invited."""
    num_not_handed_in: int = 0
    """People of Mechanical Turk who rated and may still hand their HIT in; their votes count when they have."""

    def __str__(self) -> str:
        how = "open" if not self.closed else "closed by its deadline" if self.deadline_passed else "closed"
        if self.num_not_handed_in:
            how += f", {self.num_not_handed_in} people have not handed in"
        if self.num_missing:
            return f"{how}, {self.num_complete} of {self.num_pairs} pairs complete, {self.num_missing} votes missing"
        waiting = f", {self.num_for_experts} of them wait for an expert" if self.num_for_experts else ""
        return f"{how}, complete: {self.num_pairs} pairs{waiting}"


class Collected(NamedTuple):
    """What people said, and what they are owed."""

    standing: Standing
    judgments: tuple[Judgment, ...]
    pay: tuple[PayLine, ...]
    submissions: Submissions | None
    """What came of the HITs; null = there are none."""
    bonuses: Bonuses | None
    """What came of the bonuses; null = none were to be paid yet, or none at all."""

    @property
    def open_ends(self) -> str:
        """Why another call may find more, in words; empty = nothing is left to do."""
        if not self.standing.closed:
            return f"the study is {self.standing}"
        if self.submissions is None:
            return ""
        if self.standing.num_not_handed_in:
            return f"{self.standing.num_not_handed_in} people opened a HIT's page and have not handed in"
        if self.submissions.num_pending:
            return f"{self.submissions.num_pending} people have accepted a HIT and not handed in"
        if any(line.bonus_usd > 0 for line in self.pay) and (self.bonuses is None or self.bonuses.refused):
            return "bonuses are owed and not paid"
        return ""


def collect_study(
    name: str,
    pairs: Sequence[StudyPair],
    hits: Sequence[Hit],
    *,
    rules: PayRules,
    account: Account,
    clock: Callable[[], float] = time.time,
) -> Collected:
    """Everything so far. A study that is complete or past its deadline is closed first, with what there is.

    Raises:
        TouchstoneError: the database has no such study, or one of other pairs; Mechanical Turk does not do its part.
    """
    with opened_store() as (store, settings):
        study = store.run(lambda session: _published(session, name, pairs))
        turk = _Turk(hits, account, PayBook(store, study.id, clock=clock), study, settings.secret) if hits else None
        known = turk.handed_in() if turk else None
        standing, absent = store.run(lambda session: _closed_if_over(session, name, known, clock()))
        votes = store.run(lambda session: timed_votes(session, study))
        idle = store.run(lambda session: _raters(session, study)) - {vote.rater for vote in votes}
        submissions = turk.review(idle, standing.closed) if turk else None
        rewards = {rater: worker.reward_cents for rater, worker in submissions.workers.items()} if submissions else {}
        strangers = store.run(lambda session: _strangers(session, study, known)) if known else set()
        lines = pay_ledger([vote for vote in votes if vote.rater not in strangers], rewards, rules)
        bonuses = None
        if turk and submissions and standing.closed and account.max_bonuses_usd > 0:
            # Only once nothing changes any more: a bonus is paid once.
            bonuses = turk.pay(lines, submissions)
        rows = [_until_handed_in(row, absent) for row in store.run(lambda session: judgments(session, study))]
        return Collected(standing, tuple(rows), tuple(lines), submissions, bonuses)


class _Turk:
    """A study's tasks on Mechanical Turk."""

    def __init__(self, hits: Sequence[Hit], account: Account, book: PayBook, study: Study, secret: bytes) -> None:
        if len({hit.place for hit in hits}) > 1:
            raise TouchstoneError("the HITs are of sandbox and production", expected="HITs of one place")
        self._requester = Requester(hits[0].place, endpoint=account.endpoint, profile=account.profile)
        self._hits, self._account, self._book, self._study, self._secret = hits, account, book, study, secret

    def handed_in(self) -> HandedIn:
        """Who handed in so far."""
        there = [self._requester.hit(hit.hit_id) for hit in self._hits]
        listed = [row for hit in self._hits for row in self._requester.assignments(hit.hit_id)]
        return HandedIn(
            {self._pseudonym(row.worker_id) for row in listed}, timedelta(seconds=max(hit.allowed for hit in there))
        )

    def review(self, idle: set[str], closed: bool) -> Submissions:
        """Approve what was handed in; a study that is closed takes no new people.

        Args:
            idle: Raters who opened the page and gave no answer. Whoever is not known at all is not among them: it may
                be somebody who worked and was forgotten on request.
            closed: Whether the study is.
        """
        if closed:
            close_hits(self._requester, self._hits)

        def reason(rater: str) -> str | None:
            return (self._account.reject_reason or None) if rater in idle else None

        return review_submissions(self._requester, self._hits, self._pseudonym, self._book, reason)

    def _pseudonym(self, worker: str) -> str:
        return rater_key(self._secret, self._study.name, mturk_identity(worker))

    def pay(self, lines: Sequence[PayLine], submissions: Submissions) -> Bonuses:
        """Pay what is owed beyond the rewards."""
        return pay_bonuses(
            self._requester,
            self._hits,
            lines,
            submissions,
            self._book,
            study=self._study.design_digest,
            max_usd=self._account.max_bonuses_usd,
        )


def _raters(session: Session, study: Study) -> set[str]:
    return set(session.scalars(select(Rater.key).where(Rater.study_id == study.id)))


def _strangers(session: Session, study: Study, known: HandedIn) -> set[str]:
    """Raters of Mechanical Turk who have handed nothing in: nothing is owed to them, or can be paid."""
    came = (Rater.study_id == study.id) & (Rater.channel == "mturk")
    return set(session.scalars(select(Rater.key).where(came))) - set(known.raters)


def timed_votes(session: Session, study: Study) -> list[TimedVote]:
    """Every answer in the order of arrival, whether or not it counts: work is paid."""
    asked = (
        select(Rater.key, Pair.key, Vote.seconds)
        .join(Rater, Rater.id == Vote.rater_id)
        .join(Pair, Pair.id == Vote.pair_id)
        .where(Pair.study_id == study.id)
        .order_by(Vote.id)
    )
    return [TimedVote(*row) for row in session.execute(asked)]


def _published(session: Session, name: str, pairs: Sequence[StudyPair]) -> Study:
    study = find_study(session, name)
    _same_pairs(session, study, pairs)
    return study


def _closed_if_over(
    session: Session, name: str, known: HandedIn | None, now: float
) -> tuple[Standing, Collection[str]]:
    """How far the study is, and who may still hand a HIT in."""
    study = find_study(session, name)
    # Before looking: a rater who is excluded by it leaves votes missing.
    apply_rules(session, study)
    absent = leave_out_absent(session, study, known, now) if known else set()
    session.flush()
    standing = _standing(session, study, now)._replace(num_not_handed_in=len(absent))
    complete = standing.num_missing == 0 and standing.num_for_experts == 0 and not absent
    if not study.closed and (complete or not takes_votes(study, now)):
        set_closed(session, study, True, actor="service")
        return standing._replace(closed=True), absent
    return standing, absent


def _until_handed_in(row: Judgment, absent: Collection[str]) -> Judgment:
    """A vote of somebody who may be nobody's worker says nothing yet."""
    if row.rater not in absent or row.outcome is None:
        return row
    return row.model_copy(update={"outcome": None, "unscored": NOT_YET})


def _standing(session: Session, study: Study, now: float) -> Standing:
    rated = Pair.wins + Pair.ties + Pair.losses
    rows = session.execute(select(Pair.needed, rated).where(Pair.study_id == study.id, Pair.needed > 0)).all()
    missing = [max(0, needed - there) for needed, there in rows]
    waiting = _for_experts(session, study)
    over = study.closes_at is not None and now >= study.closes_at
    return Standing(
        closed=study.closed,
        deadline_passed=over and sum(missing) + waiting > 0,
        num_pairs=len(missing),
        num_complete=missing.count(0),
        num_missing=sum(missing),
        num_for_experts=waiting,
    )


def _for_experts(session: Session, study: Study) -> int:
    """Divided pairs that lack expert votes, where experts were invited at all."""
    expert = (Rater.study_id == study.id) & (Rater.lane == "expert")
    if study.experts_per_pair == 0 or session.scalar(select(func.count()).where(expert)) == 0:
        return 0
    votes = (
        select(func.count())
        .where(Vote.pair_id == Pair.id, Vote.rater_id == Rater.id, Rater.lane == "expert", Vote.outcome.is_not(None))
        .scalar_subquery()
    )
    asked = select(func.count()).where(Pair.study_id == study.id, majority_missing(), votes < study.experts_per_pair)
    return session.scalar(asked) or 0


def _same_pairs(session: Session, study: Study, pairs: Sequence[StudyPair]) -> None:
    rated = Pair.kind.in_(("headline", "placebo"))
    there = set(session.scalars(select(Pair.key).where(Pair.study_id == study.id, rated)))
    given = {pair.pair_id for pair in pairs if pair.kind in {"headline", "placebo"}}
    if there != given:
        raise TouchstoneError(
            f"the study {study.name!r} in the database has {len(there)} pairs, {len(there & given)} of them among the"
            f" {len(given)} that were given",
            expected="the study artifact that was published under this name",
            remedy="give that artifact, or the name under which this one was published",
        )
