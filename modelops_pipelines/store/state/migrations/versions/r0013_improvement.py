"""From feedback to a better version: feedback's history, label sources, reviews, checks on sets, attempts, lineage."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("training_sets", _optional("as_of", sa.BigInteger()))
    op.add_column("training_sets", _optional("manifest", sa.JSON()))
    for column in (_optional("evidence", sa.JSON()), _optional("ended_at", sa.BigInteger()), _optional("failure")):
        op.add_column("retrainings", column)
    _add_training()
    _add_feedback()
    _add_labels_and_reviews()
    op.create_table(
        "lineage_events",
        _id(),
        _text("key"),
        _text("endpoint"),
        _number("at"),
        _optional("event", sa.JSON()),
        _number("attempts"),
        _number("due_at"),
        _optional("last_error"),
        _optional("finished_at", sa.BigInteger()),
        sqlite_autoincrement=True,
    )
    op.create_index("told_once", "lineage_events", ["key"], unique=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), primary_key=True, nullable=False)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=True, nullable=False)


def _required(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _text(name: str) -> sa.Column[Any]:
    return _required(name, sa.Text())


def _number(name: str) -> sa.Column[Any]:
    return _required(name, sa.BigInteger())


def _optional(name: str, kind: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.Text(), nullable=True)


def _add_training() -> None:
    op.create_table(
        "set_checks",
        _key("endpoint"),
        _key("content_hash"),
        _key("guard"),
        _optional("passed", sa.Boolean()),
        _required("blocking", sa.Boolean()),
        _text("message"),
        _required("numbers", sa.JSON()),
        _number("at"),
    )
    op.create_table(
        "retraining_decisions",
        _key("endpoint"),
        _number("at"),
        _required("start", sa.Boolean()),
        _text("reason"),
        _required("numbers", sa.JSON()),
    )
    op.create_table(
        "training_runs",
        _id(),
        _text("endpoint"),
        _optional("retraining", sa.BigInteger()),
        _text("candidate"),
        _text("content_hash"),
        _number("attempt"),
        _text("status"),
        _optional("failure"),
        _optional("message"),
        _optional("version"),
        _optional("output"),
        _optional("seconds", sa.Float()),
        _optional("peak_mib", sa.Float()),
        _number("started_at"),
        _optional("ended_at", sa.BigInteger()),
        sqlite_autoincrement=True,
    )
    op.create_index("training_runs_of_endpoint", "training_runs", ["endpoint", "started_at"])


def _add_feedback() -> None:
    op.create_table(
        "feedback_events",
        _id(),
        _text("endpoint"),
        _text("feedback_id"),
        _number("at"),
        _text("actor"),
        _text("action"),
        _optional("note"),
        _required("detail", sa.JSON()),
        sqlite_autoincrement=True,
    )
    op.create_index("events_of_feedback", "feedback_events", ["endpoint", "feedback_id", "id"])
    op.create_table(
        "feedback_marks",
        _key("endpoint"),
        _key("feedback_id"),
        _required("flagged", sa.Boolean()),
        _optional("assignee"),
        _optional("deleted_at", sa.BigInteger()),
        _number("last_event"),
    )
    op.create_index("flagged_feedback", "feedback_marks", ["endpoint", "flagged"])
    op.create_table(
        "accepted_feedback",
        _key("endpoint"),
        _key("feedback_id"),
        _text("prediction_id"),
        _number("event_time"),
        _text("label"),
        _number("at"),
        _text("actor"),
    )


def _add_labels_and_reviews() -> None:
    op.create_table(
        "label_sources",
        _key("endpoint"),
        _key("source"),
        _required("position", sa.JSON()),
        _number("rows"),
        _number("matched"),
        _number("unmatched"),
        _number("refused"),
        _optional("error"),
        _number("at"),
    )
    op.create_table(
        "review_items",
        _id(),
        _text("endpoint"),
        _text("prediction_id"),
        _number("event_time"),
        _optional("model_version"),
        _text("reason"),
        _required("priority", sa.Float()),
        _optional("probability", sa.Float()),
        _number("wanted"),
        _text("status"),
        _optional("assignee"),
        _number("created_at"),
        _required("detail", sa.JSON()),
        sqlite_autoincrement=True,
    )
    op.create_index("one_review_a_reason", "review_items", ["endpoint", "prediction_id", "reason"], unique=True)
    op.create_index("open_reviews", "review_items", ["endpoint", "status", "priority"])
    op.create_table(
        "review_verdicts",
        _id(),
        _number("item"),
        _text("endpoint"),
        _text("prediction_id"),
        _text("reviewer"),
        _text("verdict"),
        _optional("label"),
        _optional("note"),
        _number("at"),
        sqlite_autoincrement=True,
    )
    op.create_index("one_verdict_a_reviewer", "review_verdicts", ["item", "reviewer"], unique=True)
