"""Passkeys told apart: whether one can be synced, and a name of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("authenticators", sa.Column("synced", sa.Boolean(), nullable=True))
    op.add_column("authenticators", sa.Column("name", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("authenticators", schema=None) as batch_op:
        batch_op.drop_column("name")
        batch_op.drop_column("synced")
