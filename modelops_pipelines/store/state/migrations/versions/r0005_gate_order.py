"""The order in which the gate's verdicts were recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Number the existing verdicts by their time."""
    with op.batch_alter_table("gates") as gates:
        gates.add_column(sa.Column("number", sa.BigInteger(), nullable=True))
    at: sa.ColumnClause[int] = sa.column("at", sa.BigInteger())
    gates_table = sa.table("gates", at, sa.column("number", sa.BigInteger()))
    earlier = gates_table.alias("earlier")
    rank = sa.select(sa.func.count()).select_from(earlier).where(earlier.c.at <= gates_table.c.at).scalar_subquery()
    op.execute(gates_table.update().values(number=rank))
    with op.batch_alter_table("gates") as gates:
        gates.alter_column("number", existing_type=sa.BigInteger(), nullable=False)
