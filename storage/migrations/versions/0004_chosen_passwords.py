"""Chosen passwords: a stage in which a request waits for one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = (
    "awaiting_proof",
    "awaiting_approval",
    "awaiting_fulfilment",
    "awaiting_collection",
    "awaiting_operator",
    "fulfilled",
    "denied",
    "cancelled",
    "expired",
    "disowned",
    "locked",
    "failed",
)


def upgrade() -> None:
    _known(("awaiting_password", *BEFORE))


def downgrade() -> None:
    _known(BEFORE)


def _known(stages: Sequence[str]) -> None:
    listed = ", ".join(f"'{stage}'" for stage in stages)
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.drop_constraint("stage_known", type_="check")
        batch_op.create_check_constraint("stage_known", sa.text(f"stage IN ({listed})"))
