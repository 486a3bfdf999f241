"""Approves what was submitted and pays bonuses, each once whatever is interrupted.

Whoever submitted is approved. Nobody is rejected unless a rule was stated beforehand, and then only by that rule.
A bonus is planned in the ledger, then sent under its token with a reference in its reason: after 24 hours Mechanical
Turk forgets tokens, but it still lists the reference, which is looked for before anything is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from components.contracts import canonical
from components.contracts.crowd_rows import Hit, PayLine
from components.contracts.errors import TouchstoneError
from components.crowd.mturk.pay_book import PayBook
from components.crowd.mturk.requester import Requester, TurkRefusal
from components.crowd.mturk.terms import fee_cents

REFERENCE = "Reference"


class Worker(NamedTuple):
    """One person's work on a study."""

    worker_id: str
    assignment_id: str
    """An approved assignment, which a bonus can be attached to; empty = none was approved."""
    reward_cents: int
    """Rewards of approved assignments."""


NOBODY = Worker("", "", 0)


class Submissions(NamedTuple):
    """What came of the HITs so far."""

    workers: Mapping[str, Worker]
    """Pseudonym -> work."""
    num_approved: int
    """Assignments approved, earlier ones included."""
    num_rejected: int
    """Assignments rejected, by the rule or by hand."""
    num_pending: int
    """People who have accepted a HIT and not handed in."""


class Bonuses(NamedTuple):
    """What came of the bonuses."""

    num_sent: int
    """Sent now."""
    num_sent_before: int
    """Found sent."""
    refused: Mapping[str, str]
    """Pseudonym -> why Mechanical Turk will not pay."""
    cents: int
    """All bonuses of the study, without fees."""


def review_submissions(
    requester: Requester,
    hits: Iterable[Hit],
    pseudonym: Callable[[str], str],
    book: PayBook,
    reject_reason: Callable[[str], str | None] = lambda _: None,
) -> Submissions:
    """Approve everything submitted, except what the stated rule rejects.

    Args:
        requester: The account.
        hits: The study's HITs.
        pseudonym: Worker id -> the name under which the person's votes are kept.
        book: Takes the rewards.
        reject_reason: Pseudonym -> what to tell a person whose work is rejected; None = it is approved.
    """
    approved: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    num_rejected = num_pending = 0
    for hit in hits:
        num_pending += requester.hit(hit.hit_id).num_pending
        for assignment in requester.assignments(hit.hit_id):
            rater = pseudonym(assignment.worker_id)
            status, cents = assignment.status, round(hit.reward_usd * 100)
            if status == "Submitted":
                reason = reject_reason(rater)
                if reason is None:
                    requester.approve(assignment.assignment_id)
                    status = "Approved"
                else:
                    requester.reject(assignment.assignment_id, reason)
                    status = "Rejected"
            if status == "Rejected":
                num_rejected += 1
                approved[rater] += []
                continue
            token = f"reward-{canonical.digest({'assignment': assignment.assignment_id})[:40]}"
            book.plan(token, rater, "reward", cents)
            book.mark_sent(token)
            approved[rater].append((assignment.worker_id, assignment.assignment_id, cents))
    workers = {rater: _worker(done) for rater, done in approved.items()}
    return Submissions(workers, sum(len(done) for done in approved.values()), num_rejected, num_pending)


def pay_bonuses(
    requester: Requester,
    hits: Sequence[Hit],
    lines: Iterable[PayLine],
    submissions: Submissions,
    book: PayBook,
    *,
    study: str,
    max_usd: float,
) -> Bonuses:
    """Pay every rater's bonus once: the amount that was planned first stands, whatever is computed later.

    Args:
        requester: The account.
        hits: The study's HITs.
        lines: What raters are owed.
        submissions: Who they are on Mechanical Turk.
        book: The ledger.
        study: Identity of the study; tokens follow from it.
        max_usd: All bonuses of the study with their fees may not cost more.

    Raises:
        TouchstoneError: they would; nothing is paid then.
    """
    owed = {
        line.rater: book.planned_cents(_token(study, line.rater)) or round(line.bonus_usd * 100)
        for line in lines
        if line.bonus_usd > 0 and submissions.workers.get(line.rater, NOBODY).assignment_id
    }
    total = sum(cents + fee_cents(cents) for cents in owed.values())
    if total > round(max_usd * 100):
        raise TouchstoneError(
            f"bonuses of {len(owed)} raters with fees come to {total / 100:.2f} USD",
            expected=f"at most max_bonuses_usd = {max_usd:.2f} USD",
            remedy="raise max_bonuses_usd, or lower usd_per_hour; no bonus was paid now",
        )
    listed = {_reference(bonus.reason) for hit in hits for bonus in requester.bonuses(hit.hit_id)}
    num_sent, num_before, refused = 0, 0, {}
    for rater, cents in owed.items():
        token, worker = _token(study, rater), submissions.workers[rater]
        book.plan(token, rater, "bonus", cents)
        if book.is_sent(token) or token in listed:
            num_before += 1
        else:
            reason = f"Your time on this task came to more than its reward. Thank you. {REFERENCE} {token}"
            try:
                if requester.send_bonus(token, worker.worker_id, worker.assignment_id, cents, reason):
                    num_sent += 1
                else:
                    num_before += 1
            except TurkRefusal as refusal:
                refused[rater] = refusal.message
                continue
        book.mark_sent(token)
    return Bonuses(num_sent, num_before, refused, sum(owed.values()))


def close_hits(requester: Requester, hits: Iterable[Hit], *, now: datetime | None = None) -> None:
    """Let nobody accept the study's HITs any more."""
    for hit in hits:
        requester.expire(hit.hit_id, now or datetime.now(UTC))


def _worker(approved: Sequence[tuple[str, str, int]]) -> Worker:
    """One person's approved assignments, as (worker id, assignment id, cents) each."""
    if not approved:
        return NOBODY
    # The largest id: which assignment a bonus hangs on must not depend on the order of a list.
    return Worker(approved[0][0], max(a for _, a, _ in approved), sum(cents for _, _, cents in approved))


def _token(study: str, rater: str) -> str:
    return f"bonus-{canonical.digest({'study': study, 'rater': rater})[:40]}"


def _reference(reason: str) -> str:
    return reason.rpartition(f"{REFERENCE} ")[2].strip()
