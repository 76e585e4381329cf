"""Phasing in: an end for what was only observed."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None

STAGES = (
    "awaiting_proof",
    "awaiting_approval",
    "awaiting_objection",
    "awaiting_password",
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
    _known((*STAGES, "observed"))


def downgrade() -> None:
    _known(STAGES)


def _known(stages: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{stage}'" for stage in stages)
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.drop_constraint("stage_known", type_="check")
        batch_op.create_check_constraint("stage_known", sa.text(f"stage IN ({listed})"))
