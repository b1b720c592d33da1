"""Requests that could not be captured raise an alert, and it ends when no worker has refused any for a while."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.capture.health import CALM, STEP
from modelops_pipelines.operations.alerting.watches.capture_watch import watch_capture, watch_refusals
from modelops_pipelines.operations.endpoints.load import read_endpoint
from tests.support.alert_verdicts import NOW, StoppedClock, kept
from tests.support.project import make_project

WHY = (3, "No space left on device")
REFUSED, NOTHING = {"cancer": WHY}, dict[str, tuple[int, str]]()


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return StoppedClock(make_project(tmp_path / "project").stores.settings)


def changes(stores: StoppedClock, refused: dict[str, tuple[int, str]], after: timedelta) -> list[str]:
    return [one.change for one in watch_refusals(stores, refused, NOW + after)]


def test_a_refusal_opens_an_alert_that_says_why_and_further_ones_are_counted(stores: StoppedClock) -> None:
    [change] = watch_refusals(stores, REFUSED, NOW)
    assert ("opened", "capture_refused", "capture", 3.0) == (
        change.change,
        change.alert.rule,
        change.alert.kind,
        change.alert.value,
    )
    assert "No space left on device" in change.alert.message
    assert [] == changes(stores, REFUSED, STEP / 2)
    assert ["counted"] == changes(stores, REFUSED, STEP)


def test_a_worker_that_refuses_nothing_resolves_it_only_after_a_while(stores: StoppedClock) -> None:
    watch_refusals(stores, REFUSED, NOW)
    assert [] == changes(stores, NOTHING, CALM - STEP)
    assert ["passed"] == changes(stores, NOTHING, CALM)
    assert [] == changes(stores, NOTHING, CALM + STEP)
    assert ["counted"] == changes(stores, REFUSED, CALM + STEP)
    assert [] == changes(stores, NOTHING, CALM + 2 * STEP)
    assert ["passed"] == changes(stores, NOTHING, 2 * CALM + STEP)
    assert ["resolved"] == changes(stores, NOTHING, 3 * CALM + STEP)


def test_nothing_refused_and_nothing_open_changes_nothing(stores: StoppedClock) -> None:
    assert [] == changes(stores, NOTHING, CALM)
    assert [] == kept(stores)


def test_the_watch_of_lag_and_backlog_leaves_the_alert_alone(stores: StoppedClock) -> None:
    watch_refusals(stores, REFUSED, NOW)
    spec = read_endpoint(stores.settings.endpoints / "endpoint.yaml")
    assert [] == [one.change for one in watch_capture(stores, [spec], NOW + CALM) if one.alert.rule != "capture"]
    assert [("capture_refused", "open", 1, 0)] == [one for one in kept(stores) if one[0] != "capture"]
