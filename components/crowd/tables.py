"""Tables of the rating service. Every time is in seconds since 1970-01-01 UTC, by the server's clock.

A study has pairs and raters; an assignment is a pair put before a rater, a vote is its answer. Order is told by ids,
never by times, because clocks jump.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


def table_of(row: type[Base]) -> Table:
    """The table under a class of rows."""
    return cast(Table, row.__table__)


class Study(Base):
    """One set of pairs, rated under rules that were fixed before the first vote."""

    __tablename__ = "study"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    """Source of the exported judgments."""
    instruction: Mapped[str] = mapped_column(Text)
    """What raters are asked to do, as Markdown."""
    seed: Mapped[int]
    """Sides, order and places of checks follow from it and the rater's code."""
    raters_per_pair: Mapped[int]
    """Votes a headline or placebo pair gets, never more."""
    items_per_rater: Mapped[int]
    """Most items one rater sees, checks included; never more than the study has for one rater."""
    experts_per_pair: Mapped[int]
    """Expert votes a divided pair gets; 0 = no expert lane."""
    gold_share: Mapped[float] = mapped_column(Double)
    """Share of a rater's items that are gold."""
    repeat_share: Mapped[float] = mapped_column(Double)
    """Share of a rater's items that are repeats."""
    reserve_seconds: Mapped[float] = mapped_column(Double)
    """How long a pair is kept for a rater who does not answer."""
    rules: Mapped[dict[str, float | int | None]] = mapped_column(JSON)
    """Exclusion rules, as `study.rules.ExclusionRules` reads them."""
    rules_digest: Mapped[str] = mapped_column(String(64))
    """sha256 of the rules' canonical JSON."""
    design_digest: Mapped[str] = mapped_column(String(64))
    """sha256 of everything that was fixed before the data: pairs, rules, quotas, seed, instruction."""
    closed: Mapped[bool] = mapped_column(default=False)
    """No vote is taken any more."""
    closes_at: Mapped[float | None] = mapped_column(Double)
    """Deadline, after which no vote is taken either; null = none."""
    created_at: Mapped[float] = mapped_column(Double)


class Pair(Base):
    """Two outputs to one prompt. Counters change in the transaction that stores the vote or the reservation."""

    __tablename__ = "pair"
    __table_args__ = (
        UniqueConstraint("study_id", "key", name="pair_key_once"),
        # The last line of defence against a fourth headline vote, whatever the code does.
        CheckConstraint("needed = 0 or reserved <= needed", name="pair_never_over_quota"),
        CheckConstraint("reserved >= 0", name="pair_reserved_not_negative"),
        Index("pair_by_study_and_kind", "study_id", "kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(400))
    """The pair's id in the file it came from; never shown, because it may name a model."""
    kind: Mapped[str] = mapped_column(String(10))
    """A `PairKind`. A repeat is shown only to who has answered its original, with the sides turned."""
    prompt_id: Mapped[str] = mapped_column(String(400))
    """The Prompt's id: joins exported judgments."""
    prompt: Mapped[str] = mapped_column(Text)
    """The instruction both models answered."""
    model: Mapped[str] = mapped_column(String(400))
    """The model under test; never shown."""
    opponent: Mapped[str] = mapped_column(String(400))
    """What it is compared with; never shown."""
    output: Mapped[str] = mapped_column(Text)
    """What `model` wrote."""
    opponent_output: Mapped[str] = mapped_column(Text)
    """What `opponent` wrote."""
    gold: Mapped[str | None] = mapped_column(String(4))
    """The right outcome (win, tie, loss), for `model`, of a gold pair."""
    repeat_of: Mapped[int | None] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"), index=True)
    """The pair a repeat repeats."""
    shuffle: Mapped[int]
    """Seeded number in [1, 2^31 - 2] from which every rater's own order of pairs is made."""
    needed: Mapped[int]
    """Crowd votes wanted; 0 = as many as come (gold, repeat)."""
    reserved: Mapped[int] = mapped_column(default=0)
    """Counted crowd votes and crowd assignments under way."""
    wins: Mapped[int] = mapped_column(default=0)
    """Counted crowd votes for `model`."""
    ties: Mapped[int] = mapped_column(default=0)
    """Counted crowd votes for neither."""
    losses: Mapped[int] = mapped_column(default=0)
    """Counted crowd votes for `opponent`."""
    expert_reserved: Mapped[int] = mapped_column(default=0)
    """Expert votes and expert assignments under way."""


class Rater(Base):
    """A person in one study. Who it is, is nowhere in the database."""

    __tablename__ = "rater"
    __table_args__ = (UniqueConstraint("study_id", "key", name="rater_key_once"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(String(32), unique=True)
    """Random; what an invitation link carries, signed."""
    key: Mapped[str] = mapped_column(String(32))
    """Keyed hash of the person's identity and the study (`invitations.rater_key`); the exported rater."""
    lane: Mapped[str] = mapped_column(String(10), default="crowd")
    """crowd, or expert: sees only pairs on which the crowd is divided, and its votes are exported as another source."""
    channel: Mapped[str] = mapped_column(String(10), default="link")
    """How the rater came: link, mturk, import."""
    mturk_assignment: Mapped[str | None] = mapped_column(String(64))
    """Mechanical Turk's assignment id under which this rater works, if any."""
    mturk_hit: Mapped[str | None] = mapped_column(String(64))
    """Mechanical Turk's HIT id, if any."""
    excluded: Mapped[str | None] = mapped_column(Text)
    """Which rule excluded the rater, in words; null = votes count."""
    created_at: Mapped[float] = mapped_column(Double)
    started_at: Mapped[float | None] = mapped_column(Double)
    """When the first item was asked for."""
    finished_at: Mapped[float | None] = mapped_column(Double)
    """When the last item was done and none was left for this rater."""


class Assignment(Base):
    """A pair put before a rater."""

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("rater_id", "pair_id", name="assignment_once"),
        # Two tabs that ask at the same moment get the same pair.
        Index(
            "assignment_one_open",
            "rater_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("assignment_by_state", "state", "expires_at"),
        Index("assignment_by_pair", "pair_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    rater_id: Mapped[int] = mapped_column(ForeignKey("rater.id", ondelete="CASCADE"))
    pair_id: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    model_left: Mapped[bool]
    """Whether `Pair.model` is shown on the left (first)."""
    state: Mapped[str] = mapped_column(String(10), default="open")
    """open: under way. done: answered. problem: reported instead of answered. lapsed: kept too long without an answer,
    so that its place went to others; a late answer still counts where a place is left."""
    shown_at: Mapped[float] = mapped_column(Double)
    """When it was first shown."""
    expires_at: Mapped[float] = mapped_column(Double)
    """When its place goes to others."""


class Vote(Base):
    """One answer. Never changed, except that an exclusion takes it out of the count."""

    __tablename__ = "vote"
    __table_args__ = (
        # Whatever is clicked twice or replayed.
        UniqueConstraint("rater_id", "pair_id", name="vote_once"),
        Index("vote_by_pair", "pair_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    """Grows with arrival: the order of votes."""
    pair_id: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    rater_id: Mapped[int] = mapped_column(ForeignKey("rater.id", ondelete="CASCADE"))
    outcome: Mapped[str | None] = mapped_column(String(4))
    """win, tie or loss, for `Pair.model`; null = a problem was reported instead (`problem`)."""
    model_left: Mapped[bool]
    """Whether `Pair.model` was shown on the left (first)."""
    uncounted: Mapped[str | None] = mapped_column(Text)
    """Why the vote does not count (rater excluded, pair already had its raters, problem reported); null = it counts.
    Exported as `unscored`."""
    seconds: Mapped[float | None] = mapped_column(Double)
    """From showing to answer; null when the clock was set back in between, or the vote was imported without."""
    answered_at: Mapped[float] = mapped_column(Double)
    problem: Mapped[str | None] = mapped_column(Text)
    """What the rater said is wrong with the item."""


class Payment(Base):
    """One line of the pay ledger. Never changed, except from planned to sent."""

    __tablename__ = "payment"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    rater_id: Mapped[int | None] = mapped_column(ForeignKey("rater.id", ondelete="SET NULL"), index=True)
    """Null once the rater has been forgotten: the amount stays in the books, the person does not."""
    kind: Mapped[str] = mapped_column(String(10))
    """reward or bonus."""
    cents: Mapped[int]
    """US cents."""
    token: Mapped[str] = mapped_column(String(64), unique=True)
    """Makes paying idempotent: the same token is never paid twice."""
    state: Mapped[str] = mapped_column(String(10), default="planned")
    """planned or sent."""
    created_at: Mapped[float] = mapped_column(Double)
    sent_at: Mapped[float | None] = mapped_column(Double)


class AuditEntry(Base):
    """Who did what to a study. Only ever added to; a forgotten rater's key is blanked."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(Double)
    study: Mapped[str | None] = mapped_column(String(200), index=True)
    """Name of the study; by name, so that the entry outlives it."""
    actor: Mapped[str] = mapped_column(String(60))
    """admin (the web page), command (the command line), service, or rater:KEY."""
    action: Mapped[str] = mapped_column(String(40))
    """create, invite, exclude, problem, close, open, export, forget, login, login-failed, ..."""
    detail: Mapped[str] = mapped_column(Text, default="")
    """In words; never an identity, never a secret."""
