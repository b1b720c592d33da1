"""The process of each gateway worker: whether it lives does not depend on the clocks of two processes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the process; workers of an earlier release have none, and are judged by their heartbeat alone."""
    op.add_column("workers", sa.Column("process", sa.Text(), nullable=True))
