"""Browser keys: what each registered browser signs its requests with."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("key", sa.Text(), server_default="", nullable=False))
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.alter_column("key", existing_type=sa.Text(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.drop_column("key")
