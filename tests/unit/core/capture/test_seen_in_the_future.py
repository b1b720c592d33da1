"""An alert that was last seen before the clock was set back counts and is resolved as any other one."""

from datetime import timedelta

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict, open_alert
from modelops_pipelines.core.alerting.live_rules import is_due
from modelops_pipelines.core.capture.health import CaptureHealth, Reading, calm_verdict, is_refusal_due, should_record
from tests.support.alert_verdicts import NOW


@pytest.mark.parametrize("hours", [6, 24 * 365])
def test_an_alert_that_was_seen_in_the_future_goes_on(hours: int) -> None:
    failed = Verdict("rule", "kind", "error", False, None, None, 1, "w", "it fails")
    passed = calm_verdict("pay", NOW)
    seen = open_alert(failed, "pay", NOW + timedelta(hours=hours))
    assert should_record(seen, CaptureHealth("pay", Reading(0, 0, 1, 0, 0, 0.0, 1), ()), NOW)
    assert [True, True] == [is_refusal_due(seen, one, NOW) for one in (failed, passed)]
    assert [True, True] == [is_due(seen, one, NOW) for one in (failed, passed)]
    nearly = open_alert(failed, "pay", NOW + timedelta(seconds=1))
    assert [False, False] == [is_refusal_due(nearly, failed, NOW), is_due(nearly, passed, NOW)]
