"""A table of verdicts, and the kind of rule of each alert."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
KINDS_BEFORE = ("estimated_quality", "data_quality", "quality", "metric")
"""Kinds whose rule names end with a metric's name; other rules are named like their kind."""


def upgrade() -> None:
    """Add the table of verdicts, and the kind of existing alerts."""
    op.create_table(
        "verdicts",
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("rule", sa.Text(), primary_key=True, nullable=False),
        sa.Column("window", sa.Text(), primary_key=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("judged_at", sa.BigInteger(), nullable=False),
    )
    with op.batch_alter_table("alerts", table_kwargs={"sqlite_autoincrement": True}) as alerts:
        alerts.add_column(sa.Column("kind", sa.Text(), nullable=True))
    rule: sa.ColumnClause[str] = sa.column("rule", sa.Text())
    alerts_table = sa.table("alerts", rule, sa.column("kind", sa.Text()))
    op.execute(alerts_table.update().values(kind=rule))
    for name in KINDS_BEFORE:
        op.execute(alerts_table.update().where(rule.startswith(f"{name}_", autoescape=True)).values(kind=name))
    with op.batch_alter_table("alerts", table_kwargs={"sqlite_autoincrement": True}) as alerts:
        alerts.alter_column("kind", existing_type=sa.Text(), nullable=False)
