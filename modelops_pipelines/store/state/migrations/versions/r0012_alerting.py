"""Alerts that people are told of and act on: their history, silences, messages, rules made at run time, leases."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NEW: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("value", sa.Float()),
    ("threshold", sa.Float()),
    ("n", sa.BigInteger()),
    ("acknowledged_at", sa.BigInteger()),
    ("acknowledged_by", sa.Text()),
    ("note", sa.Text()),
    ("resolved_by", sa.Text()),
    ("resolution", sa.Text()),
)
_COUNTED = (
    ("reopened", sa.BigInteger(), sa.text("0")),
    ("flapping", sa.Boolean(), sa.false()),
    ("escalations", sa.BigInteger(), sa.text("0")),
)


def upgrade() -> None:
    """Add the columns and the tables."""
    op.drop_index("one_open_alert", "alerts")
    with op.batch_alter_table("alerts", table_kwargs={"sqlite_autoincrement": True}) as alerts:
        for name, kind in _NEW:
            alerts.add_column(sa.Column(name, kind, nullable=True))
        for name, kind, start in _COUNTED:
            alerts.add_column(sa.Column(name, kind, nullable=False, server_default=start))
    with op.batch_alter_table("alerts", table_kwargs={"sqlite_autoincrement": True}) as alerts:
        for name, _kind, _start in _COUNTED:
            alerts.alter_column(name, server_default=None)
    unresolved = sa.text("status != 'resolved'")
    op.create_index(
        "one_open_alert",
        "alerts",
        ["endpoint", "rule"],
        unique=True,
        sqlite_where=unresolved,
        postgresql_where=unresolved,
    )
    _add_events()
    _add_silences()
    _add_outbox()
    _add_rules_and_leases()


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), primary_key=True, nullable=False)


def _required(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _add_events() -> None:
    op.create_table(
        "alert_events",
        _id(),
        _required("alert_id", sa.BigInteger()),
        _required("endpoint", sa.Text()),
        _required("rule", sa.Text()),
        _required("at", sa.BigInteger()),
        _required("event", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        _required("detail", sa.JSON()),
        sqlite_autoincrement=True,
    )
    op.create_index("events_of_alert", "alert_events", ["alert_id", "id"])


def _add_silences() -> None:
    op.create_table(
        "silences",
        _id(),
        _required("matchers", sa.JSON()),
        _required("reason", sa.Text()),
        _required("created_at", sa.BigInteger()),
        _required("created_by", sa.Text()),
        _required("starts_at", sa.BigInteger()),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("weekly", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sqlite_autoincrement=True,
    )


def _add_outbox() -> None:
    op.create_table(
        "notifications",
        _id(),
        _required("event_id", sa.BigInteger()),
        _required("alert_id", sa.BigInteger()),
        _required("endpoint", sa.Text()),
        _required("channel", sa.Text()),
        _required("created_at", sa.BigInteger()),
        _required("due_at", sa.BigInteger()),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("withheld", sa.Text(), nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("notifications_to_tell", "notifications", ["message_id", "due_at"])
    op.create_index("notifications_of_alert", "notifications", ["alert_id", "channel"])
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Text(), primary_key=True, nullable=False),
        _required("number", sa.BigInteger()),
        _required("channel", sa.Text()),
        _required("endpoint", sa.Text()),
        _required("created_at", sa.BigInteger()),
        _required("content", sa.JSON()),
        _required("status", sa.Text()),
        _required("attempts", sa.BigInteger()),
        _required("due_at", sa.BigInteger()),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("messages_to_send", "messages", ["status", "due_at"])


def _add_rules_and_leases() -> None:
    op.create_table(
        "alert_rules",
        _id(),
        _required("endpoint", sa.Text()),
        _required("name", sa.Text()),
        _required("version", sa.BigInteger()),
        _required("rule", sa.JSON()),
        _required("at", sa.BigInteger()),
        _required("actor", sa.Text()),
        sqlite_autoincrement=True,
    )
    op.create_index("rule_versions", "alert_rules", ["endpoint", "name", "version"], unique=True)
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        _required("owner", sa.Text()),
        _required("beat_at", sa.BigInteger()),
        _required("until", sa.BigInteger()),
    )
