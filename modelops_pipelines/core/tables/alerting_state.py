"""The tables of the state database by which people are told of alerts, and act on them."""

from modelops_pipelines.core.tables.columns import Table, column, integer, moment, text

_AT = moment("at", "when")
_ENDPOINT = text("endpoint", "the endpoint")

ALERTING_STATE = (
    Table(
        "alert_events",
        "What happened to each alert: append-only.",
        (
            integer("id", "its number"),
            integer("alert_id", "the alert"),
            _ENDPOINT,
            text("rule", "the alert rule's name"),
            _AT,
            text(
                "event", "opened, worsened, acknowledged, resolved, reopened, escalated, flapping, steady or silenced"
            ),
            text("actor?", "who; null: the rule's verdict, or the clock"),
            text("note?", "what that person wrote, or the verdict's message"),
            column("json", "detail", "further numbers"),
        ),
        ("id",),
    ),
    Table(
        "silences",
        "Which alerts are not sent to people, and until when. They are ended, and never deleted.",
        (
            integer("id", "its number"),
            column("json", "matchers", "field of an alert to the pattern that it must match"),
            text("reason", "why"),
            moment("created_at", "when"),
            text("created_by", "who"),
            moment("starts_at", "from when"),
            column("timestamp", "until?", "until when; null: a weekly one that has no end"),
            text("weekly?", "days, times and time zone of a weekly one"),
            column("timestamp", "ended_at?", "when a person ended it before its time"),
            text("ended_by?", "who did"),
        ),
        ("id",),
    ),
    Table(
        "notifications",
        "What is to be told to a channel: written in the transaction that changes the alert.",
        (
            integer("id", "its number: the order in which an alert's changes are told"),
            integer("event_id", "the event of the alert"),
            integer("alert_id", "the alert"),
            _ENDPOINT,
            text("channel", "the channel's name"),
            moment("created_at", "when"),
            moment("due_at", "not before this: what happens meanwhile is told in one message"),
            text("message_id?", "the message that tells it; null: it waits"),
            text("withheld?", "why it is told to nobody: a silence, a maintenance window, flapping; null: it is told"),
        ),
        ("id",),
    ),
    Table(
        "messages",
        "Messages to channels: delivered at least once, under one id.",
        (
            text("message_id", "the same on every try"),
            integer("number", "the order of a channel's messages"),
            text("channel", "the channel's name"),
            _ENDPOINT,
            moment("created_at", "when"),
            column("json", "content", "what it says"),
            text("status", "pending, delivered or dead"),
            integer("attempts", "how often it was tried"),
            moment("due_at", "when it is tried next"),
            text("last_error?", "why the last try failed"),
            column("timestamp", "finished_at?", "when it was delivered, or given up"),
        ),
        ("message_id",),
    ),
    Table(
        "alert_rules",
        "Rules made at run time, beside those of the endpoints' YAML: each change is a version of its own.",
        (
            integer("id", "its number"),
            _ENDPOINT,
            text("name", "the rule's name"),
            integer("version", "from 1"),
            column("json", "rule", "the rule as its YAML would have it; null: removed"),
            _AT,
            text("actor", "who"),
        ),
        ("id",),
    ),
    Table(
        "leases",
        "What only one process does at a time, such as delivering messages; and when it last did.",
        (
            text("name", "what"),
            text("owner", "the process that does"),
            moment("beat_at", "when it last said that it does"),
            moment("until", "when another one may take it over"),
        ),
        ("name",),
    ),
)
