"""What Prometheus is told of the ratings: answers of this server, and how far the studies are, from the database.

A study is named by its number on the admin's page: names may tell models, and /metrics asks nobody for a password.
Gauges come from the database, so that every server on it says the same; counters are each server's own.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from threading import Lock, Thread
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from components.contracts.errors import TouchstoneError
from components.crowd.database import Store
from components.crowd.pages.entrance import Reason
from components.crowd.study.closing import takes_votes
from components.crowd.tables import Assignment, Pair, Rater, Study, Vote

LOG = logging.getLogger("touchstone.crowd")
VOTES = "touchstone_crowd_votes_total"
REFUSED = "touchstone_crowd_refused_total"
GAUGES = {
    "touchstone_crowd_open_pairs": "Pairs of an open study that lack votes.",
    "touchstone_crowd_raters_active": "Raters of an open study who were shown an item within a quarter of an hour.",
    "touchstone_crowd_last_vote_timestamp_seconds": "When an open study got its last vote, or was made.",
    "touchstone_crowd_vote_seconds": "Median time of an open study's last answers, from showing to answer.",
}
"""Name -> what it says; each has the label `study`."""
ACTIVE_SECONDS = 900.0
LAST_ANSWERS = 200
FRESH_SECONDS = 10.0
"""So long a look at the database is good for; whoever asks oftener costs it nothing."""
STALE_SECONDS = 120.0
"""Older values are not told: a gauge that no longer moves is worse than none."""
PATIENCE_SECONDS = 2.0
"""A database that is away must not keep the other metrics from Prometheus, which waits 10 seconds."""


class StudyState(NamedTuple):
    """An open study; fields in the order of GAUGES."""

    study_id: int
    open_pairs: int
    raters_active: int
    last_vote_at: float
    median_seconds: float | None
    """Null = no answer was measured yet."""


class Answers:
    """Counts answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count in `registry`."""
        self._votes = Counter(VOTES, "Answers and reports of problems stored.", ("study", "kind"), registry=registry)
        self._refused = Counter(REFUSED, "Answers that were not stored.", ("reason",), registry=registry)

    def stored(self, study_id: int, kind: str) -> None:
        """One was stored: an answer, or a problem."""
        self._votes.labels(str(study_id), kind).inc()

    def refused(self, reason: Reason) -> None:
        """One was not."""
        self._refused.labels(reason).inc()


class Studies(Collector):
    """Gauges of the open studies, asked of the database at most every few seconds, and never waited for long."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """Over one database; nothing is asked before the first scrape."""
        self._store, self._clock = store, clock
        self._states: list[StudyState] = []
        self._looked_at = self._known_at = -STALE_SECONDS
        self._looking: Thread | None = None
        self._lock = Lock()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What is known now."""
        with self._lock:
            now = time.monotonic()
            if self._looking is None and now - self._looked_at >= FRESH_SECONDS:
                self._looked_at = now
                self._looking = Thread(target=self._look, daemon=True, name="studies for Prometheus")
                self._looking.start()
            looking = self._looking
        if looking is not None:
            looking.join(PATIENCE_SECONDS)
        with self._lock:
            states = self._states if time.monotonic() - self._known_at < STALE_SECONDS else []
        for number, (name, words) in enumerate(GAUGES.items(), 1):
            family = GaugeMetricFamily(name, words, labels=("study",))
            for state in states:
                if (value := state[number]) is not None:
                    family.add_metric((str(state.study_id),), value)
            yield family

    def _look(self) -> None:
        states = None
        try:
            states = self._store.run(lambda session: study_states(session, self._clock()))
        except (SQLAlchemyError, TouchstoneError) as error:
            LOG.warning("no gauges of studies: %s", type(error).__name__)
        finally:
            with self._lock:
                self._looking = None
                if states is not None:
                    self._states, self._known_at = states, time.monotonic()


def study_states(session: Session, now: float) -> list[StudyState]:
    """How far every study is that takes votes."""
    return [_state(session, study, now) for study in session.scalars(select(Study)) if takes_votes(study, now)]


def _state(session: Session, study: Study, now: float) -> StudyState:
    rated = Pair.wins + Pair.ties + Pair.losses
    lacking = select(func.count()).where(Pair.study_id == study.id, Pair.needed > 0, rated < Pair.needed)
    active = (
        select(func.count(Assignment.rater_id.distinct()))
        .join(Rater, Rater.id == Assignment.rater_id)
        .where(Rater.study_id == study.id, Rater.channel != "import", Assignment.shown_at > now - ACTIVE_SECONDS)
    )
    answers = (
        select(Vote.answered_at, Vote.seconds)
        .join(Pair, Pair.id == Vote.pair_id)
        .where(Pair.study_id == study.id)
        .order_by(Vote.id.desc())
        .limit(LAST_ANSWERS)
    )
    last = session.execute(answers).all()
    times = [seconds for _, seconds in last if seconds is not None]
    return StudyState(
        study.id,
        session.scalar(lacking) or 0,
        session.scalar(active) or 0,
        last[0][0] if last else study.created_at,
        statistics.median(times) if times else None,
    )
