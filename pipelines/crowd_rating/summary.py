"""How far a study's raters can be trusted: agreement, sides, fatigue, and each rater's record."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from sqlalchemy.orm import Session

from components.contracts.crowd_rows import PayLine
from components.contracts.preference_results import Agreement, RaterPool, RaterRecord
from components.crowd.collecting import timed_votes
from components.crowd.opened import opened_store
from components.crowd.payments import PayRules, pay_ledger
from components.crowd.study.closing import find_study
from components.crowd.study.results import EXPERTS, judgments
from components.report.preferring.agreement import agreement
from components.report.preferring.rater_quality import rater_pool

ALPHA = 0.05
RESAMPLES = 1000


class Trust(NamedTuple):
    """One study's raters."""

    study: str
    agreement: Agreement
    """Over the crowd's votes that count."""
    pool: RaterPool | None
    """Who was left out, what the others lean to, each one's record; null below two raters."""

    @property
    def records(self) -> list[RaterRecord]:
        """Each rater's, those with the least agreement first."""
        found = self.pool.records if self.pool is not None else ()
        return sorted(found, key=lambda record: (record.agreement is None, record.agreement, record.rater))


def trust(name: str | None, *, seed: int = 0) -> Trust:
    """Measure the raters of a study in the service's database.

    Raises:
        TouchstoneError: there is no such study.
    """

    def work(session: Session) -> Trust:
        study = find_study(session, name)
        rows = [row for row in judgments(session, study) if not row.source.endswith(EXPERTS)]
        voices: dict[str, dict[str, str]] = defaultdict(dict)
        for row in rows:
            if row.outcome is not None:
                voices[f"{row.prompt_id}|{row.model}|{row.opponent}"][row.rater] = row.outcome
        measured = agreement(voices, alpha=ALPHA, resamples=RESAMPLES, seed=seed)
        return Trust(study.name, measured, rater_pool(rows, alpha=ALPHA))

    with opened_store() as (store, _):
        return store.run(work)


def pay_lines(name: str | None, rules: PayRules) -> tuple[str, list[PayLine]]:
    """Name of the study, and what its raters are owed for their time, rewards not counted.

    Raises:
        TouchstoneError: there is no such study.
    """

    def work(session: Session) -> tuple[str, list[PayLine]]:
        study = find_study(session, name)
        return study.name, pay_ledger(timed_votes(session, study), {}, rules)

    with opened_store() as (store, _):
        return store.run(work)
