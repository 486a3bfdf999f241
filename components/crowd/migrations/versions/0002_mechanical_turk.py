"""Where a rater comes from on Mechanical Turk, and the pay ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the ledger."""
    op.add_column("rater", sa.Column("mturk_assignment", sa.String(64)))
    op.add_column("rater", sa.Column("mturk_hit", sa.String(64)))
    op.create_table(
        "payment",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
        sa.Column("rater_id", sa.Integer(), sa.ForeignKey("rater.id", ondelete="SET NULL"), index=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("cents", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double()),
    )


def downgrade() -> None:
    """Drop them. Columns go one by one: to copy the table and drop it would, by its foreign keys, drop the votes."""
    op.drop_table("payment")
    op.drop_column("rater", "mturk_hit")
    op.drop_column("rater", "mturk_assignment")
