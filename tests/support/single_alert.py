"""What a verdict makes of one rule's alert, by the product's own steps."""

from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Alert, Verdict
from modelops_pipelines.core.alerting.life import Standing, steps_of


def apply_verdict(alert: Alert | None, verdict: Verdict, endpoint: str, now: datetime) -> Alert | None:
    """Return the rule's alert after one more verdict, None when there is nothing to write."""
    steps = steps_of(Standing(alert), verdict, endpoint, now)
    return steps[-1].after if steps else None
