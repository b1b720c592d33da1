"""What a verdict says of the time that it judges."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.operations.alerting.judges.thresholds import threshold_verdict

NINE = datetime(2026, 11, 29, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("over", "size", "said"),
    [
        (HOUR, "hour", "in the hour from 2026-11-29T09:00Z"),
        (None, "hour", "in the hour from 2026-11-29T09:00Z"),
        (3 * HOUR, "hour", "over 3h to 2026-11-29T10:00Z"),
        (None, "day", "in the day from 2026-11-29T00:00Z"),
        (7 * DAY, "day", "over 7d to 2026-11-30T00:00Z"),
    ],
)
def test_a_verdict_names_a_window_by_its_start_and_a_longer_span_by_its_end(
    over: timedelta | None, size: str, said: str
) -> None:
    rule = AlertRule("error_rate", above=0.1, over=over)
    window = NINE if size == "hour" else NINE.replace(hour=0)
    verdict = threshold_verdict(rule, window, 0.5, 40, "requests", size)
    assert (f"error_rate 0.5 is above 0.1 {said} (40 requests)", False) == (verdict.message, verdict.passed)
