"""Rows of the state past their retention: what is newest, or in use, stays whatever its age."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.alerting.messages import PENDING, Message
from modelops_pipelines.core.alerting.records import Notification
from modelops_pipelines.core.alerting.silencing.silences import Silence
from modelops_pipelines.core.release.desired_state import CHAMPION, Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.operations.alerting.life.raise_alerts import apply_verdicts
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.alerting.notifications import write_notification
from modelops_pipelines.store.state.maintenance import old_rows
from modelops_pipelines.store.state.release.suite_runs import VersionTest
from modelops_pipelines.store.state.release.trials import Trial
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BEFORE = NOW - 400 * DAY


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(load_settings(tmp_path, {}))


def verdict(day: int, rule: str = "errors", *, passed: bool = True) -> Verdict:
    window = (NOW + day * DAY).isoformat()
    return Verdict(rule, "error_rate", "error", passed, 0.1, 0.2, 5, window, "judged")


def serve(stores: Stores, version: str) -> int:
    """Deploy a version; return the generation of the desired state."""
    before = stores.deployments.desired("cancer")
    event = Event(0, "cancer", NOW, "ann", "deploy", None, version, before.generation + 1, "first")
    return stores.deployments.change(before, (Variant(version, CHAMPION, 100),), event).generation


def test_verdicts_go_by_their_age_but_the_newest_of_each_rule(stores: Stores) -> None:
    for day in (-500, -450, -401, -399):
        stores.alerts.write("cancer", [], [verdict(day)], NOW + day * DAY)
    for day in (-600, -500):
        stores.alerts.write("cancer", [], [verdict(day, "quiet")], NOW + day * DAY)
    assert {"verdicts": 4} == stores.old_rows.count(BEFORE)
    stores.old_rows.delete("verdicts", BEFORE)
    left = [(one.rule, one.window) for one in stores.verdicts.find("cancer")]
    assert sorted([("errors", verdict(-399).window), ("quiet", verdict(-500).window)]) == sorted(left)
    assert {} == stores.old_rows.count(BEFORE)


def test_many_rows_go_in_pages(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_rows, "PAGE", 3)
    stores.alerts.write("cancer", [], [verdict(-500 - day) for day in range(10)], NOW - 450 * DAY)
    assert {"verdicts": 9} == stores.old_rows.count(BEFORE)
    stores.old_rows.delete("verdicts", BEFORE)
    assert 1 == len(stores.verdicts.find("cancer"))


def test_open_alerts_stay_and_resolved_ones_go(stores: Stores) -> None:
    for rule, day in (("old", -500), ("recent", -10)):
        apply_verdicts(stores, "cancer", [verdict(day, rule, passed=False)], NOW + day * DAY)
        apply_verdicts(stores, "cancer", [verdict(day, rule)] * 2, NOW + day * DAY)
    apply_verdicts(stores, "cancer", [verdict(-500, "open", passed=False)], NOW - 500 * DAY)
    assert {"alerts": 1} == stores.old_rows.count(BEFORE)
    stores.old_rows.delete("alerts", BEFORE)
    assert {"recent", "open"} == {alert.rule for alert in stores.alerts.find()}


def test_what_tells_of_an_alert_goes_with_it_and_silences_go_when_they_are_over(stores: Stores) -> None:
    ends = {"gone": -500, "kept": -10}
    for number, (rule, day) in enumerate(ends.items(), 1):
        apply_verdicts(stores, "cancer", [verdict(day, rule, passed=False)], NOW + day * DAY)
        apply_verdicts(stores, "cancer", [verdict(day, rule)] * 2, NOW + day * DAY)
        at = NOW - 450 * DAY
        stores.messages.add(Message(f"m{number}", 0, "team", "cancer", at, {}, PENDING, 0, at), [])
        told = Notification("team", "cancer", at, at, None, f"m{number}", number, number)
        with stores.database.begin() as connected:
            write_notification(connected, told)
        stores.messages.deliver(f"m{number}", at)
        made = Silence({"rule": rule}, "quiet", at, "ann", at, NOW + day * DAY)
        stores.silences.add(made)
    assert {"alerts": 1, "messages": 1, "silences": 1} == stores.old_rows.count(BEFORE)
    for name in ("alerts", "messages", "silences"):
        stores.old_rows.delete(name, BEFORE)
    assert ["kept"] == [alert.rule for alert in stores.alerts.find()]
    assert ["opened", "resolved"] == [event.event for event in stores.alert_events.of_endpoint("cancer")]
    assert ([], ["m2"]) == (stores.notifications.of(1), [one.message_id for one in stores.messages.recent()])
    assert [{"rule": "kept"}] == [one.matchers for one in stores.silences.all()]


def test_sessions_go_a_retention_after_they_are_over(stores: Stores) -> None:
    for day in (-500, -10):
        stores.sessions.begin_by_key("k", f"person {day}", NOW + day * DAY)
    assert {"sessions": 1} == stores.old_rows.count(BEFORE)
    stores.old_rows.delete("sessions", BEFORE)
    assert {} == stores.old_rows.count(BEFORE)


def test_verdicts_on_what_is_on_trial_and_the_newest_tests_stay(stores: Stores) -> None:
    generation = serve(stores, "1")
    for number in (generation - 1, generation):
        stores.trials.record(Trial("cancer", number, "2", 10, "inconclusive", {}, NOW - 500 * DAY))
    for suite, day in (("edge", -600), ("edge", -500), ("smoke", -700)):
        test = VersionTest("cancer", "2", suite, "hash", 1, 1, [], 0.1, "ann", NOW + day * DAY)
        stores.version_tests.record(test)
    assert {"trials": 1, "version_tests": 1} == stores.old_rows.count(BEFORE)
    stores.old_rows.delete("version_tests", BEFORE)
    stores.old_rows.delete("trials", BEFORE)
    assert [generation] == [one.generation for one in stores.trials.of("cancer")]
    assert [-500, -700] == sorted(((one.at - NOW).days for one in stores.version_tests.of("cancer")), reverse=True)
