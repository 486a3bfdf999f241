"""Studies, pairs, raters, assignments, votes, audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables that ratings need."""
    op.create_table(
        "study",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("instruction", sa.Text(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("raters_per_pair", sa.Integer(), nullable=False),
        sa.Column("items_per_rater", sa.Integer(), nullable=False),
        sa.Column("experts_per_pair", sa.Integer(), nullable=False),
        sa.Column("gold_share", sa.Double(), nullable=False),
        sa.Column("repeat_share", sa.Double(), nullable=False),
        sa.Column("reserve_seconds", sa.Double(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("rules_digest", sa.String(64), nullable=False),
        sa.Column("design_digest", sa.String(64), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("closes_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    _pairs()
    op.create_table(
        "rater",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
        sa.Column("code", sa.String(32), nullable=False, unique=True),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("lane", sa.String(10), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("excluded", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("finished_at", sa.Double()),
        sa.UniqueConstraint("study_id", "key", name="rater_key_once"),
    )
    _answers()
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("study", sa.String(200), index=True),
        sa.Column("actor", sa.String(60), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )


def _pairs() -> None:
    op.create_table(
        "pair",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("prompt_id", sa.String(400), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("model", sa.String(400), nullable=False),
        sa.Column("opponent", sa.String(400), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("opponent_output", sa.Text(), nullable=False),
        sa.Column("gold", sa.String(4)),
        sa.Column("repeat_of", sa.Integer(), sa.ForeignKey("pair.id", ondelete="CASCADE"), index=True),
        sa.Column("shuffle", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("needed", "reserved", "wins", "ties", "losses", "expert_reserved")
        ),
        sa.UniqueConstraint("study_id", "key", name="pair_key_once"),
        sa.CheckConstraint("needed = 0 or reserved <= needed", name="pair_never_over_quota"),
        sa.CheckConstraint("reserved >= 0", name="pair_reserved_not_negative"),
    )
    op.create_index("pair_by_study_and_kind", "pair", ["study_id", "kind"])


def _answers() -> None:
    def ends() -> list[sa.Column[int]]:
        return [
            sa.Column("pair_id", sa.Integer(), sa.ForeignKey("pair.id", ondelete="CASCADE"), nullable=False),
            sa.Column("rater_id", sa.Integer(), sa.ForeignKey("rater.id", ondelete="CASCADE"), nullable=False),
        ]

    op.create_table(
        "assignment",
        sa.Column("id", sa.Integer(), primary_key=True),
        *ends(),
        sa.Column("model_left", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("shown_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.UniqueConstraint("rater_id", "pair_id", name="assignment_once"),
    )
    open_ones = sa.text("state = 'open'")
    op.create_index(
        "assignment_one_open",
        "assignment",
        ["rater_id"],
        unique=True,
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )
    op.create_index("assignment_by_state", "assignment", ["state", "expires_at"])
    op.create_index("assignment_by_pair", "assignment", ["pair_id"])
    op.create_table(
        "vote",
        sa.Column("id", sa.Integer(), primary_key=True),
        *ends(),
        sa.Column("outcome", sa.String(4)),
        sa.Column("model_left", sa.Boolean(), nullable=False),
        sa.Column("uncounted", sa.Text()),
        sa.Column("seconds", sa.Double()),
        sa.Column("answered_at", sa.Double(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.UniqueConstraint("rater_id", "pair_id", name="vote_once"),
    )
    op.create_index("vote_by_pair", "vote", ["pair_id"])


def downgrade() -> None:
    """Drop everything: there is no older version that could use it."""
    for table in ("audit_entry", "vote", "assignment", "rater", "pair", "study"):
        op.drop_table(table)
