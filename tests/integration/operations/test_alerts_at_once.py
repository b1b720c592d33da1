"""Runs that end at the same time wait for one another, and count on one alert."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.store.stores import Stores
from tests.support.alert_verdicts import StoppedClock, changes_of, kept
from tests.support.project import make_project


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return StoppedClock(make_project(tmp_path).stores.settings)


def test_runs_that_end_at_once_count_on_one_alert(stores: StoppedClock) -> None:
    callers = [Stores(stores.settings) for _ in range(4)]

    def work(number: int) -> None:
        for turn in range(5):
            changes_of(callers[number], [False, False], f"run {number}.{turn}")

    with ThreadPoolExecutor(len(callers)) as pool:
        list(pool.map(work, range(len(callers))))
    assert [("drift", OPEN, 40, 0)] == kept(stores)
