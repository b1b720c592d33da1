"""Messages about alerts: one as it comes at night, and one whose every text is another's."""

from dataclasses import replace

from modelops_pipelines.core.alerting.message_content import AlertItem, Cause, Link, MessageContent, title_of

OPENED = AlertItem(
    alert_id=12,
    endpoint="flights",
    rule="error_rate",
    kind="error_rate",
    event="opened",
    state="open",
    severity="error",
    at="2026-03-01T12:03:00Z",
    since="2026-03-01T12:00:00Z",
    lasted="3 min",
    message="error_rate 0.31 is above 0.1 in the hour from 2026-03-01T12:00Z (1200 requests)",
    count=4,
    value=0.31,
    threshold=0.1,
    n=1200,
    window="2026-03-01T12:00:00Z",
    owner="team:delays",
    runbook="https://wiki.example.org/runbook?of=errors&lang=en",
    labels={"tier": "1"},
    acknowledge="modelops alert ack 12 --note 'I am looking at it'",
)
RESOLVED = replace(
    OPENED,
    alert_id=9,
    rule="latency_p95_ms",
    kind="latency_p95_ms",
    event="resolved",
    state="resolved",
    severity="warning",
    lasted="2 h 10 min",
    message="latency_p95_ms 240 is not above 300 in the hour from 2026-03-01T14:00Z (1200 requests)",
    actor="ann",
    note="the cache is warm again",
    count=1,
    runbook="",
    acknowledge="",
)
NIGHT = MessageContent(
    title=title_of([OPENED, RESOLVED], left_out=2),
    at="2026-03-01T12:03:00Z",
    alerts=(OPENED, RESOLVED),
    causes=(
        Cause(
            "flights",
            "version",
            "version 7 came in place of version 6 20 min before the alert opened (deploy by ann): more trees",
            "modelops rollback flights --reason 'alert 12: error_rate'",
        ),
        Cause("flights", "segment", "worst segment on 2026-03-01T11:00Z: carrier = UA: auc 0.61 on 240 rows"),
    ),
    links=(Link("Health of flights", "http://127.0.0.1:8000/endpoints/flights/reports/health.html"),),
    left_out=2,
)


def message_of(text: str) -> MessageContent:
    """Return a message in which each text that others choose is this one."""
    item = replace(
        OPENED,
        endpoint=text,
        rule=text,
        event="acknowledged",
        message=text,
        actor=text,
        note=text,
        owner=text,
        runbook=text,
        labels={text: text},
        acknowledge=text,
        severity=text,
    )
    cause, link = Cause(text, "version", text, text), Link(text, "https://example.org/?a|b<c>")
    return MessageContent(text, "2026-03-01T12:03:00Z", (item,), (cause,), (link, Link("x", text)), text=text)
