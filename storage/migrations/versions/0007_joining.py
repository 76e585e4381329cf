"""Joining: company sign-ons that were answered, and who was told that they can join."""

import sqlalchemy as sa
from alembic import op

import storage.tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_ons",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("answered_at", storage.tables.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sign_ons_answered_at", "sign_ons", ["answered_at"])
    op.create_table(
        "invited",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.Column("told_at", storage.tables.Instant(), nullable=False),
        sa.Column("times", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("person"),
    )


def downgrade() -> None:
    op.drop_table("invited")
    op.drop_index("ix_sign_ons_answered_at", table_name="sign_ons")
    op.drop_table("sign_ons")
