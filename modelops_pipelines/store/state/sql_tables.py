"""The state's declarations as SQLAlchemy tables."""

from typing import Any

import sqlalchemy as sa

from modelops_pipelines.core.tables.columns import ColumnType, Table
from modelops_pipelines.core.tables.state import STATE

SQL: dict[ColumnType, type[sa.types.TypeEngine[Any]]] = {
    "text": sa.Text,
    "json": sa.JSON,
    "int": sa.BigInteger,
    "float": sa.Float,
    "bool": sa.Boolean,
    "timestamp": sa.BigInteger,
    "date": sa.Date,
}
metadata = sa.MetaData()


def _sql_table(table: Table) -> sa.Table:
    columns: list[sa.Column[object]] = []
    for column in table.columns:
        numbered = table.key == ("id",) and column.name == "id"
        kind = sa.Integer() if numbered else SQL[column.type]()
        key = column.name in table.key
        columns.append(sa.Column(column.name, kind, primary_key=key, nullable=column.nullable))
    return sa.Table(table.name, metadata, *columns, sqlite_autoincrement=table.key == ("id",))


STATE_TABLES = {table.name: _sql_table(table) for table in STATE}
sa.Index(
    "touched_once",
    STATE_TABLES["touched_windows"].c.endpoint,
    STATE_TABLES["touched_windows"].c.consumer,
    STATE_TABLES["touched_windows"].c.window_start,
    unique=True,
)
sa.Index("events_of_endpoint", STATE_TABLES["events"].c.endpoint, STATE_TABLES["events"].c.number)
sa.Index(
    "one_open_alert",
    STATE_TABLES["alerts"].c.endpoint,
    STATE_TABLES["alerts"].c.rule,
    unique=True,
    sqlite_where=STATE_TABLES["alerts"].c.status != "resolved",
    postgresql_where=STATE_TABLES["alerts"].c.status != "resolved",
)
sa.Index("deployments_of_endpoint", STATE_TABLES["deployments"].c.endpoint, STATE_TABLES["deployments"].c.requested_at)
sa.Index("trials_of_endpoint", STATE_TABLES["trials"].c.endpoint, STATE_TABLES["trials"].c.id)
sa.Index("crashes_of_endpoint", STATE_TABLES["crashes"].c.endpoint, STATE_TABLES["crashes"].c.at)
sa.Index("deletions_of_kind", STATE_TABLES["deletions"].c.kind, STATE_TABLES["deletions"].c.finished_at)
sa.Index("events_of_alert", STATE_TABLES["alert_events"].c.alert_id, STATE_TABLES["alert_events"].c.id)
sa.Index("notifications_to_tell", STATE_TABLES["notifications"].c.message_id, STATE_TABLES["notifications"].c.due_at)
sa.Index("notifications_of_alert", STATE_TABLES["notifications"].c.alert_id, STATE_TABLES["notifications"].c.channel)
sa.Index("messages_to_send", STATE_TABLES["messages"].c.status, STATE_TABLES["messages"].c.due_at)
sa.Index(
    "rule_versions",
    STATE_TABLES["alert_rules"].c.endpoint,
    STATE_TABLES["alert_rules"].c.name,
    STATE_TABLES["alert_rules"].c.version,
    unique=True,
)
sa.Index(
    "training_runs_of_endpoint", STATE_TABLES["training_runs"].c.endpoint, STATE_TABLES["training_runs"].c.started_at
)
sa.Index(
    "events_of_feedback",
    STATE_TABLES["feedback_events"].c.endpoint,
    STATE_TABLES["feedback_events"].c.feedback_id,
    STATE_TABLES["feedback_events"].c.id,
)
sa.Index("flagged_feedback", STATE_TABLES["feedback_marks"].c.endpoint, STATE_TABLES["feedback_marks"].c.flagged)
sa.Index(
    "one_review_a_reason",
    STATE_TABLES["review_items"].c.endpoint,
    STATE_TABLES["review_items"].c.prediction_id,
    STATE_TABLES["review_items"].c.reason,
    unique=True,
)
sa.Index(
    "open_reviews",
    STATE_TABLES["review_items"].c.endpoint,
    STATE_TABLES["review_items"].c.status,
    STATE_TABLES["review_items"].c.priority,
)
sa.Index(
    "one_verdict_a_reviewer",
    STATE_TABLES["review_verdicts"].c.item,
    STATE_TABLES["review_verdicts"].c.reviewer,
    unique=True,
)
sa.Index("told_once", STATE_TABLES["lineage_events"].c.key, unique=True)
