"""Objections: a stage in which whoever was told can object, and the proof that shortens it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STAGES = (
    "awaiting_proof",
    "awaiting_approval",
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
PURPOSES = ("prove", "approve", "sign_in")


def upgrade() -> None:
    _known("requests", "stage", ("awaiting_objection", *STAGES))
    _known("verifications", "purpose", ("hurry", *PURPOSES))


def downgrade() -> None:
    _known("requests", "stage", STAGES)
    _known("verifications", "purpose", PURPOSES)


def _known(table: str, column: str, values: Sequence[str]) -> None:
    listed = ", ".join(f"'{value}'" for value in values)
    with op.batch_alter_table(table, schema=None) as batch_op:
        batch_op.drop_constraint(f"{column}_known", type_="check")
        batch_op.create_check_constraint(f"{column}_known", sa.text(f"{column} IN ({listed})"))
