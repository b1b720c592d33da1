"""Requests whose predictions were erased: what is said of them later is not stored."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table; it is empty for erasures of earlier releases."""
    op.create_table(
        "erased_requests",
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("digest", sa.Text(), primary_key=True, nullable=False),
    )
