"""The state of the first loop."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "model_versions",
        sa.Column("model_name", sa.Text(), primary_key=True, nullable=False),
        sa.Column("version", sa.Text(), primary_key=True, nullable=False),
        sa.Column("artifact_uri", sa.Text(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("training_set", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
    )
    op.create_table(
        "desired_state",
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("variants", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger(), primary_key=True, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("from_version", sa.Text(), nullable=True),
        sa.Column("to_version", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("worker", sa.Text(), primary_key=True, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("heartbeat", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "acknowledgements",
        sa.Column("worker", sa.Text(), primary_key=True, nullable=False),
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "touched_windows",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("window_start", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "progress",
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=True),
        sa.Column("predictions", sa.BigInteger(), nullable=False),
        sa.Column("labels", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("passes", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_window", sa.Text(), nullable=False),
        sa.Column("data_window", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "training_sets",
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("content_hash", sa.Text(), primary_key=True, nullable=False),
        sa.Column("base_hash", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("labels_seen", sa.BigInteger(), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "gates",
        sa.Column("endpoint", sa.Text(), primary_key=True, nullable=False),
        sa.Column("version", sa.Text(), primary_key=True, nullable=False),
        sa.Column("champion", sa.Text(), nullable=True),
        sa.Column("data_hash", sa.Text(), primary_key=True, nullable=False),
        sa.Column("gate_hash", sa.Text(), primary_key=True, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "retrainings",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("training_set", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("events_of_endpoint", "events", ["endpoint", "number"], unique=False)
    op.create_index("touched_once", "touched_windows", ["endpoint", "consumer", "window_start"], unique=True)
    op.create_index(
        "one_open_alert",
        "alerts",
        ["endpoint", "rule"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
