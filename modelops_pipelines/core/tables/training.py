"""The table beside each frozen training set that says where its rows came from, and why others were left out."""

from modelops_pipelines.core.tables.columns import Table, integer, moment, text

PROVIDED, REVIEW, LABEL, FEEDBACK = "provided", "review", "label", "feedback"
PROVIDED_PREFIX = "base-"
"""Begins the ids of rows that a user provided; ids of the log's rows are prediction ids, which never begin so."""
ROW_ID, EVENT_TIME = "row_id", "event_time"
"""The first columns of every training set; its features and its label follow."""

TRAINING_ORIGINS = Table(
    "training_origins",
    "One row per input row of a training set: in it, or left out with the reason.",
    (
        text("row_id", "prediction id, or base- and a number for rows that a user provided"),
        integer("position?", "its place in the set, from 0; null when it was left out"),
        text("reason?", "why it was left out; null when it is in the set"),
        moment("event_time?", "when the prediction was requested"),
        text("origin", "where its label came from: provided, review, label or feedback"),
        text("source_id?", "label_id or feedback_id of the label that counts; null for provided rows"),
        text("source?", "the label source's name, or review"),
        text("author?", "the person who said so"),
        text("key_id?", "the API key that sent it"),
        moment("known_at?", "when the label became known"),
        integer("others?", "other labels of the prediction that did not count"),
    ),
    ("row_id",),
)


def frozen_table(content_hash: str) -> str:
    """Return the name of a frozen set's table."""
    return f"training_sets/{content_hash}"


def origins_table(content_hash: str) -> str:
    """Return the name of the table beside a frozen set."""
    return f"{TRAINING_ORIGINS.name}/{content_hash}"
