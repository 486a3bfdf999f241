"""Puts a study before raters: into the service's database, and on Mechanical Turk if wanted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from components.contracts.crowd_rows import Hit, StudyPair
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.crowd.invitations import DAY_SECONDS, door_token
from components.crowd.mturk.publishing import Plan, affordable, create_hits, external_question
from components.crowd.mturk.requester import Requester
from components.crowd.mturk.terms import Terms
from components.crowd.opened import opened_store
from components.crowd.study.creation import create_study
from components.crowd.study.design import StudyDesign, items_per_rater, says_the_same, with_repeats
from components.crowd.tables import Study

DAYS_WITHOUT_DEADLINE = 30.0
"""How long people may accept the tasks of a study that has no deadline."""
DAYS_TO_HAND_IN = 2.0
"""Links outlive the study: who rated until the end must still be able to hand the work in."""


class Offer(NamedTuple):
    """How a study is put before people on Mechanical Turk."""

    terms: Terms
    service_url: str
    """Public https address of the rating service."""
    round: int = 1
    profile: str = ""
    endpoint: str = ""


class Published(NamedTuple):
    """What stands before raters now."""

    design_digest: str
    """Of everything that was fixed before the data."""
    closes_at: float | None
    """Deadline, in seconds since 1970 UTC."""
    hits: tuple[Hit, ...]
    """Tasks on Mechanical Turk."""
    usd: float
    """What these cost at most, bonuses not counted."""


def publish_study(
    pairs: Sequence[StudyPair],
    design: StudyDesign,
    *,
    days_open: float | None,
    offer: Offer | None,
    journal: Journal,
    clock: Callable[[], float] = time.time,
) -> Published:
    """Make the study, or find it made; then the HITs, each once.

    Raises:
        TouchstoneError: another study has the name, the offer is too dear, or Mechanical Turk does not do its part.
    """
    num_people = seats(pairs, design)
    # Before anything is made: what cannot be offered is not begun.
    requester = _reachable(offer, num_people) if offer is not None else None
    with opened_store() as (store, settings):
        closes_at = None if days_open is None else clock() + days_open * DAY_SECONDS

        def work(session: Session) -> Study:
            return create_study(session, design, pairs, closes_at=closes_at)

        study = store.run(work)
    if offer is None or requester is None:
        return Published(study.design_digest, study.closes_at, (), 0.0)
    days_left = DAYS_WITHOUT_DEADLINE if study.closes_at is None else (study.closes_at - clock()) / DAY_SECONDS
    if days_left <= 0 or study.closed:
        raise TouchstoneError(f"the study {study.name!r} is closed", remedy="open it again, or publish another")
    token = door_token(settings.secret, study.id, clock() + (days_left + DAYS_TO_HAND_IN) * DAY_SECONDS)
    plan = _plan(offer, study.design_digest, _page(offer.service_url, token), num_people, days_left)
    hits = create_hits(requester, plan, journal)
    return Published(study.design_digest, study.closes_at, tuple(hits), affordable(plan).usd)


def seats(pairs: Sequence[StudyPair], design: StudyDesign) -> int:
    """People who are needed: votes wanted over the ordinary items that one rater is given.

    Gold items and repeats are shown to everybody and fill no pair's quota.
    """
    shown = with_repeats(pairs, design)
    kinds = [pair.kind for pair in shown if not says_the_same(pair)]
    items = items_per_rater(design, shown)
    golds = min(round(design.gold_share * items), kinds.count("gold"))
    repeats = min(round(design.repeat_share * items), kinds.count("repeat"))
    num_rated = len(kinds) - kinds.count("gold") - kinds.count("repeat")
    ordinary = max(1, items - golds - repeats)
    return max(design.raters_per_pair, math.ceil(num_rated * design.raters_per_pair / ordinary))


def _reachable(offer: Offer, num_people: int) -> Requester:
    """The account, if it lets us in and the offer can be made."""
    external_question(_page(offer.service_url, "token"))
    affordable(_plan(offer, "", "", num_people, 1.0))
    requester = Requester(offer.terms.place, endpoint=offer.endpoint, profile=offer.profile)
    requester.balance_cents()
    return requester


def _plan(offer: Offer, study: str, page: str, num_assignments: int, days_open: float) -> Plan:
    return Plan(study, page, num_assignments, offer.terms, days_open, offer.round)


def _page(service_url: str, token: str) -> str:
    if not service_url:
        raise UsageError(
            "service_url is not given", expected="the public https address of the rating service", remedy="set it"
        )
    return f"{service_url.rstrip('/')}/mturk/{token}"
