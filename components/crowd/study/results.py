"""What comes out of a study: judgments, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, cast

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from components.contracts.evidence_rows import Judgment
from components.crowd.assignment.choice import majority_missing
from components.crowd.assignment.votes import answers_of
from components.crowd.study.design import unasked_tie
from components.crowd.study.rules import Quality, quality
from components.crowd.tables import Pair, Rater, Study, Vote

EXPERTS = "/experts"
"""Ends the source of expert votes: they settle pairs for a reader, and are never counted among the crowd's."""
RATED = ("headline", "placebo")


class Progress(NamedTuple):
    """How far the pairs of one kind are."""

    kind: str
    pairs: int
    complete: int
    """Pairs with all the counted votes they need; of kinds that need none, all."""
    counted: int
    """Votes that count."""
    uncounted: int
    """Votes that are kept and do not count."""


class RaterLine(NamedTuple):
    """One rater, by pseudonym."""

    key: str
    lane: str
    channel: str
    started: bool
    finished: bool
    excluded: str | None
    quality: Quality


def judgments(session: Session, study: Study, kinds: Iterable[str] = RATED) -> list[Judgment]:
    """Every vote as a row, in the order of arrival; what does not count is unscored, with the reason.

    Before them a tie for every pair of one text twice, which nobody is asked about.
    """
    asked = (
        select(
            Pair.prompt_id,
            Pair.model,
            Pair.opponent,
            Rater.key,
            Rater.lane,
            Vote.outcome,
            Vote.uncounted,
            Vote.model_left,
            Vote.seconds,
        )
        .join(Pair, Pair.id == Vote.pair_id)
        .join(Rater, Rater.id == Vote.rater_id)
        .where(Pair.study_id == study.id, Pair.kind.in_(list(kinds)))
        .order_by(Vote.id)
    )
    unasked = (
        select(Pair.prompt_id, Pair.model, Pair.opponent)
        .where(Pair.study_id == study.id, Pair.kind.in_(set(kinds) & set(RATED)), Pair.needed == 0)
        .order_by(Pair.id)
    )
    return [unasked_tie(study.name, *row) for row in session.execute(unasked)] + [
        Judgment(
            prompt_id=prompt_id,
            source=study.name + (EXPERTS if lane == "expert" else ""),
            rater=key,
            model=model,
            opponent=opponent,
            outcome=None if uncounted else cast(Literal["win", "tie", "loss"], outcome),
            unscored=uncounted,
            order="model_first" if left else "opponent_first",
            seconds=seconds,
        )
        for prompt_id, model, opponent, key, lane, outcome, uncounted, left, seconds in session.execute(asked)
    ]


def progress(session: Session, study: Study) -> list[Progress]:
    """How far the study is, kind by kind."""
    rated = Pair.wins + Pair.ties + Pair.losses
    pairs = session.execute(
        select(Pair.kind, func.count(), func.sum(case((rated >= Pair.needed, 1), else_=0)))
        .where(Pair.study_id == study.id)
        .group_by(Pair.kind)
    ).all()
    votes = {
        kind: (total - (uncounted or 0), uncounted or 0)
        for kind, total, uncounted in session.execute(
            select(Pair.kind, func.count(), func.sum(case((Vote.uncounted.is_not(None), 1), else_=0)))
            .join(Pair, Pair.id == Vote.pair_id)
            .where(Pair.study_id == study.id)
            .group_by(Pair.kind)
        )
    }
    order = ["headline", "placebo", "gold", "repeat"]
    return [
        Progress(kind, number, int(complete), *votes.get(kind, (0, 0)))
        for kind, number, complete in sorted(pairs, key=lambda row: order.index(row[0]))
    ]


def divided_pairs(session: Session, study: Study) -> int:
    """Headline pairs with all their votes and no majority: ties by the study's rule, and what experts are shown."""
    return session.scalar(select(func.count()).where(Pair.study_id == study.id, majority_missing())) or 0


def rater_lines(session: Session, study: Study) -> list[RaterLine]:
    """All raters with what is measured of their work, in the order in which they came."""
    raters = list(session.scalars(select(Rater).where(Rater.study_id == study.id).order_by(Rater.id)))
    answers = answers_of(session, [rater.id for rater in raters])
    return [
        RaterLine(
            rater.key,
            rater.lane,
            rater.channel,
            rater.started_at is not None,
            rater.finished_at is not None,
            rater.excluded,
            quality(answers.get(rater.id, [])),
        )
        for rater in raters
    ]
