"""A clock that is set back does not leave a bad challenger unwatched until it has caught up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.release.desired_state import DesiredState, Variant
from modelops_pipelines.gateway.worker.live_metrics import Judged, SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.watchdog import Watchdog
from modelops_pipelines.store.stores import Stores
from tests.support.project import make_project

NOON, SECOND, HOUR = datetime(2026, 3, 20, 12, tzinfo=UTC), timedelta(seconds=1), timedelta(hours=1)
TRIAL = (Variant("1", "champion", 50), Variant("2", "challenger", 50))


@pytest.mark.parametrize("back", [timedelta(0), HOUR])
def test_failures_of_a_challenger_are_counted_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: timedelta
) -> None:
    project, now = make_project(tmp_path), NOON
    monkeypatch.setattr(Stores, "now", lambda _: now)
    state = DesiredState(project.spec.name, 3, TRIAL, since=NOON)
    served = ServedEndpoint(project.spec, state, {})
    watchdog = Watchdog(project.stores, lambda: [served], SharedMetrics(project.stores.settings.home / "live", "one"))

    def answer(seconds: int, *, failed: bool) -> None:
        nonlocal now
        for second in range(seconds):
            for version in ("1", "2"):
                is_failure = failed and version == "2"
                judged = Judged(version, f"caller {second} {now}", 5.0, failed=is_failure)
                served.live.add(now.timestamp(), 1, 500 if is_failure else 200, 5.0, judged)
            now += SECOND
            watchdog._count_answers(served)

    answer(20, failed=False)
    now -= back
    answer(20, failed=True)
    counter = watchdog._watched[project.spec.name].counter
    assert counter is not None
    assert 15 <= counter.leg().challenger.failed <= 20
