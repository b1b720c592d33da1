"""The source of a version's classes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the source; it is not known for versions that an earlier release recorded."""
    op.add_column("model_versions", sa.Column("classes_from", sa.Text(), nullable=True))
