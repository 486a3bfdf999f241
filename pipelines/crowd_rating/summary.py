"""How far a study's raters can be trusted: agreement, sides, fatigue, and each rater's record."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from sqlalchemy.orm import Session

from components.contracts.crowd_rows import PayLine
from components.contracts.preference_results import Agreement, Interval, RaterRecord
from components.crowd.collecting import timed_votes
from components.crowd.opened import opened_store
from components.crowd.payments import PayRules, pay_ledger
from components.crowd.study.closing import find_study
from components.crowd.study.results import EXPERTS, judgments
from components.report.preferring.agreement import agreement
from components.report.preferring.rater_quality import rater_quality
from components.report.quantiles import wilson

ALPHA = 0.05
RESAMPLES = 1000


class Trust(NamedTuple):
    """One study's raters."""

    study: str
    agreement: Agreement
    """Over the crowd's votes that count."""
    first_share: float | None
    """Share of all picks that went to the answer on the left; one half = no liking for a side."""
    first_ci: Interval | None
    """Wilson's interval."""
    raters: tuple[RaterRecord, ...]
    """Those with the least agreement first."""


def trust(name: str | None, *, seed: int = 0) -> Trust:
    """Measure the raters of a study in the service's database.

    Raises:
        TouchstoneError: there is no such study.
    """

    def work(session: Session) -> Trust:
        study = find_study(session, name)
        rows = [row for row in judgments(session, study) if not row.source.endswith(EXPERTS)]
        counted = [row for row in rows if row.outcome is not None]
        voices: dict[str, dict[str, str]] = defaultdict(dict)
        for row in counted:
            voices[f"{row.prompt_id}|{row.model}|{row.opponent}"][row.rater] = str(row.outcome)
        picks = [(row.outcome == "win") == (row.order == "model_first") for row in counted if row.outcome != "tie"]
        seconds: dict[str, list[float]] = defaultdict(list)
        for vote in timed_votes(session, study):
            if vote.seconds is not None:
                seconds[vote.rater].append(vote.seconds)
        records = rater_quality(rows, alpha=ALPHA, seconds=seconds)
        return Trust(
            study.name,
            agreement(voices, alpha=ALPHA, resamples=RESAMPLES, seed=seed),
            sum(picks) / len(picks) if picks else None,
            wilson(sum(picks), len(picks), ALPHA) if picks else None,
            tuple(sorted(records, key=lambda record: (record.agreement is None, record.agreement, record.rater))),
        )

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
