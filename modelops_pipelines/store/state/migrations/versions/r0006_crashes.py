"""A table of crashes and hangs of versions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "crashes",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("reproduced", sa.Boolean(), nullable=True),
        sa.Column("compared", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("crashes_of_endpoint", "crashes", ["endpoint", "at"])
