"""Runs that end at the same time wait for one another, and count on one alert."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.operations.alerting.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores
from tests.support.project import make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StoppedClock(Stores):
    """Real stores whose clock stands still until it is moved."""

    moment = NOW

    def now(self) -> datetime:
        """Return the moment that the test set."""
        return self.moment


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return StoppedClock(make_project(tmp_path).stores.settings)


def verdict(passed: bool | None, window: str = "w", rule: str = "drift") -> Verdict:  # noqa: FBT001 - the one thing that tests vary
    return Verdict(rule, rule, "warning", passed, 0.5, 0.3, 100, window, f"{rule} in {window}")


def windows(passes: Sequence[bool | None], rule: str = "drift") -> list[Verdict]:
    """Return the rule's verdicts on windows in a row."""
    return [verdict(passed, f"w{number}", rule) for number, passed in enumerate(passes, 1)]


def changes_of(stores: Stores, passes: Sequence[bool | None], source: str, rule: str = "drift") -> list[str]:
    """Apply the verdicts; return what each change was."""
    return [change.change for change in raise_alerts(stores, "cancer", windows(passes, rule), source=source)]


def kept(stores: Stores) -> list[tuple[str, str, int, int]]:
    """Return rule, status, count and passes of each alert, oldest first."""
    return [(alert.rule, alert.status, alert.count, alert.passes) for alert in stores.alerts.find("cancer")[::-1]]


def test_runs_that_end_at_once_count_on_one_alert(stores: StoppedClock) -> None:
    callers = [Stores(stores.settings) for _ in range(4)]

    def work(number: int) -> None:
        for turn in range(5):
            changes_of(callers[number], [False, False], f"run {number}.{turn}")

    with ThreadPoolExecutor(len(callers)) as pool:
        list(pool.map(work, range(len(callers))))
    assert [("drift", OPEN, 40, 0)] == kept(stores)
