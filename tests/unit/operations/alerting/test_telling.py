"""Who is told of what: by route, but not in a silence, and whoever was told that an alert opened is told its end."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, PENDING, RESOLVED, Verdict
from modelops_pipelines.operations.alerting.delivery.compose import compose
from modelops_pipelines.operations.alerting.delivery.gather import gather
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge, end_silence, resolve, silence
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.alerting.views.alerts import message_on
from tests.support.alert_verdicts import NOW, StoppedClock, verdict
from tests.support.told_alerts import ALERTING, MINUTE, alerted_stores, history, judge, told

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SAID = ("message", "value", "n", "window")
NIGHTLY = ALERTING + 'maintenance:\n  - {weekly: "Sun 13:00-14:00 Europe/Berlin", reason: backups}\n'


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return alerted_stores(tmp_path)


def hush(stores: StoppedClock, rule: str = "*") -> int:
    return silence(stores, {"rule": rule}, actor="ann", reason="quiet", until=NOW + DAY).id or 0


def test_each_change_is_told_to_the_channels_of_its_route_once(stores: StoppedClock) -> None:
    judge(stores, False, False, True, False, True, True)
    assert [("opened", "team", None), ("resolved", "team", None)] == told(stores)
    [first, _] = stores.notifications.of(1)
    assert (NOW, NOW + timedelta(seconds=3), None) == (first.created_at, first.due_at, first.message_id)
    judge(stores, False, rule="quiet_rule")
    assert [] == told(stores, 2)
    assert ["opened"] == [event for event, *_ in history(stores, 2)]


def severe(stores: StoppedClock, *severities: str) -> list[str]:
    given = [replace(verdict(passed=False, rule="pipeline"), severity=one) for one in severities]
    return [change.change for change in raise_alerts(stores, "cancer", given)]


def test_an_alert_that_is_worse_is_told_by_the_route_of_its_new_severity_and_escalated_by_it(
    stores: StoppedClock,
) -> None:
    assert [["opened"], ["worsened"], ["counted"]] == [severe(stores, one) for one in ("warning", "error", "error")]
    expected = [("opened", "team", None), ("worsened", "duty", None), ("worsened", "team", None)]
    assert expected == sorted(told(stores))
    stores.moment += 16 * MINUTE
    assert ["escalated"] == [one.change for one in look_after_alerts(stores, stores.now())]


def test_an_error_after_a_warning_is_told_each_time_until_the_alert_flaps(stores: StoppedClock) -> None:
    for _ in range(5):
        severe(stores, "warning", "error")
        stores.moment += MINUTE
    said = [event for event, channel, withheld in told(stores) if channel == "duty" and withheld is None]
    assert ["worsened"] * 2 + ["flapping"] == said
    assert 5 == [event for event, *_ in history(stores)].count("worsened")


def test_a_flapping_alert_that_reopens_worse_is_told_to_who_does_not_know_of_it(stores: StoppedClock) -> None:
    for _ in range(5):
        judge(stores, False, True, True)
    severe(stores, "error")
    assert [("worsened", None)] == [
        (event, withheld) for event, channel, withheld in told(stores) if channel == "duty" and withheld is None
    ]


def test_what_worsened_in_a_silence_is_told_after_it_to_who_does_not_know_of_it(stores: StoppedClock) -> None:
    severe(stores, "warning")
    number = hush(stores)
    severe(stores, "error")
    withheld = f"silence {number} until 2026-03-02T12:00Z: quiet"
    assert [("worsened", "duty", withheld), ("worsened", "team", None)] == sorted(told(stores)[1:])
    end_silence(stores, number, "ann")
    look_after_alerts(stores, stores.now())
    assert [("worsened", "duty", None), ("worsened", "team", None)] == sorted(told(stores)[1:])


def test_what_a_pass_resolved_is_told_in_the_words_and_numbers_of_the_pass(stores: StoppedClock) -> None:
    failed = Verdict("error_rate", "error_rate", "error", False, 0.31, 0.1, 1200, "w1", "error_rate 0.31 is above 0.1")
    passed = replace(failed, passed=True, value=0.02, n=900, window="w2", message="error_rate 0.02 is not above 0.1")
    raise_alerts(stores, "cancer", [failed, passed, replace(passed, value=0.01, message="error_rate 0.01 is fine")])
    [alert] = stores.alerts.find()
    assert (0.31, "error_rate 0.31 is above 0.1") == (alert.value, alert.message)
    opened, resolved = compose(stores, [(alert, event) for event in stores.alert_events.of(1)], NOW)["alerts"]
    assert ("error_rate 0.31 is above 0.1", 0.31, 1200, "w1") == tuple(opened[name] for name in SAID)
    assert ("error_rate 0.01 is fine", 0.01, 900, "w2") == tuple(resolved[name] for name in SAID)
    assert "error_rate 0.01 is fine" == message_on(stores, alert, NOW)["alerts"][0]["message"]


def test_what_a_person_resolved_keeps_what_failed(stores: StoppedClock) -> None:
    judge(stores, False)
    failing = stores.alerts.find()[0].message
    resolve(stores, 1, "ann", "the pump is off")
    [alert] = stores.alerts.find()
    [item] = message_on(stores, alert, NOW)["alerts"]
    assert ("the pump is off", failing) == (item["note"], item["message"])


def test_ten_thousand_repeats_are_one_event_and_one_notification(stores: StoppedClock) -> None:
    for _ in range(10):
        judge(stores, *[False] * 1000)
    assert [10_000] == [alert.count for alert in stores.alerts.find()]
    assert [("opened", "team", None)] == told(stores)
    assert [("opened", None, None)] == history(stores)


def test_a_silence_withholds_the_message_but_neither_verdict_nor_alert(stores: StoppedClock) -> None:
    number = hush(stores)
    judge(stores, False)
    assert [("opened", "team", f"silence {number} until 2026-03-02T12:00Z: quiet")] == told(stores)
    assert [OPEN] == [alert.status for alert in stores.alerts.find()]
    judge(stores, True, True)
    assert [("opened", "team", f"silence {number} until 2026-03-02T12:00Z: quiet")] == told(stores)


def test_who_was_told_that_it_opened_is_told_its_end_silence_or_not(stores: StoppedClock) -> None:
    judge(stores, False)
    hush(stores)
    acknowledge(stores, 1, "ann")
    judge(stores, True, True)
    assert [("opened", "team", None), ("acknowledged", "team", None), ("resolved", "team", None)] == told(stores)


@pytest.mark.parametrize("kind", ["capture", "security", "keys", "watchers"])
def test_a_silence_and_maintenance_never_hide_lost_rows_security_and_missing_watchers(
    tmp_path: Path, kind: str
) -> None:
    stores = alerted_stores(tmp_path, NIGHTLY)
    hush(stores)
    judge(stores, False, rule=kind)
    assert [("opened", "team", None)] == told(stores)


def test_what_was_withheld_is_told_when_the_silence_ends_if_the_alert_is_still_open(stores: StoppedClock) -> None:
    number = hush(stores)
    judge(stores, False)
    judge(stores, False, True, True, rule="short")
    look_after_alerts(stores, NOW)
    assert [("opened", "team", f"silence {number} until 2026-03-02T12:00Z: quiet")] == told(stores)
    stores.moment = NOW + HOUR
    end_silence(stores, number, "ann")
    for _ in range(2):
        look_after_alerts(stores, NOW + HOUR)
    assert [("opened", "team", None)] == told(stores)
    assert [NOW + HOUR] == [one.due_at for one in stores.notifications.of(1)]
    assert [("opened", "team", f"silence {number} until 2026-03-02T12:00Z: quiet")] == told(stores, 2)
    judge(stores, True, True)
    assert [("opened", "team", None), ("resolved", "team", None)] == told(stores)


def test_a_maintenance_window_withholds_until_it_is_over(tmp_path: Path) -> None:
    stores = alerted_stores(tmp_path, NIGHTLY)  # 12:00 UTC on a Sunday in winter
    judge(stores, False)
    why = "maintenance window Sun 13:00-14:00 Europe/Berlin: backups"
    assert [("opened", "team", why)] == told(stores)
    look_after_alerts(stores, NOW + 59 * MINUTE)
    assert [("opened", "team", why)] == told(stores)
    look_after_alerts(stores, NOW + HOUR)
    assert [("opened", "team", None)] == told(stores)


def test_what_nobody_acknowledged_is_escalated_once(stores: StoppedClock) -> None:
    judge(stores, False)
    judge(stores, False, rule="other")
    acknowledge(stores, 2, "ann")
    assert [] == look_after_alerts(stores, NOW + 59 * MINUTE)
    changes = [look_after_alerts(stores, NOW + minutes * MINUTE) for minutes in (61, 62, 999)]
    assert [["escalated"], [], []] == [[one.change for one in some] for some in changes]
    assert [("opened", "team", None), ("escalated", "team", None), ("escalated", "duty", None)] == told(stores)
    judge(stores, True, True)
    assert [("resolved", "duty", None), ("resolved", "team", None)] == told(stores)[3:]


def test_an_acknowledgement_withdraws_an_escalation_that_is_not_sent_yet(stores: StoppedClock) -> None:
    judge(stores, False)
    assert ["escalated"] == [one.change for one in look_after_alerts(stores, NOW + 61 * MINUTE)]
    acknowledge(stores, 1, "ann")
    assert [("opened", "team", None), ("acknowledged", "team", None)] == [one for one in told(stores) if not one[2]]
    assert [("escalated", "duty", "acknowledged"), ("acknowledged", "duty", "acknowledged")] == [
        one for one in told(stores) if one[1] == "duty"
    ]
    judge(stores, True, True)
    assert [("resolved", "team", None)] == [one for one in told(stores) if one[0] == "resolved"]


def test_an_escalation_that_was_sent_stays_and_its_channel_is_told_who_acknowledged(stores: StoppedClock) -> None:
    judge(stores, False)
    look_after_alerts(stores, NOW + 61 * MINUTE)
    gather(stores, NOW + 62 * MINUTE)
    acknowledge(stores, 1, "ann")
    assert [("escalated", "duty", None), ("acknowledged", "duty", None)] == [
        one for one in told(stores) if one[1] == "duty"
    ]


def test_what_is_silenced_is_not_escalated_and_gets_its_time_once_it_is_told(stores: StoppedClock) -> None:
    number = hush(stores)
    judge(stores, False)
    stores.moment = NOW + 3 * HOUR
    assert [] == look_after_alerts(stores, stores.moment)
    end_silence(stores, number, "ann")
    for minutes in (0, 1, 59):
        assert [] == look_after_alerts(stores, stores.moment + minutes * MINUTE)
    assert ["escalated"] == [one.change for one in look_after_alerts(stores, stores.moment + 60 * MINUTE)]


def test_an_alert_that_opens_and_resolves_too_often_is_told_as_flapping_until_it_is_steady(
    stores: StoppedClock,
) -> None:
    for minutes in range(0, 60, 10):
        stores.moment = NOW + minutes * MINUTE
        judge(stores, False)
        judge(stores, True, True)
    changes = [event for event, *_ in history(stores)]
    assert ["opened", "resolved", *["reopened", "resolved"] * 2] == changes[:6]
    assert ["reopened", "flapping", "resolved", *["reopened", "resolved"] * 2] == changes[6:]
    assert [event for event, _, withheld in told(stores) if withheld is None] == [*changes[:6], "flapping"]
    assert {"flapping"} == {withheld for _, _, withheld in told(stores) if withheld}
    assert [] == look_after_alerts(stores, NOW + 100 * MINUTE)
    assert ["steady"] == [one.change for one in look_after_alerts(stores, NOW + 111 * MINUTE)]
    assert [] == look_after_alerts(stores, NOW + 112 * MINUTE)
    assert ("steady", "team", None) == told(stores)[-1]
    [alert] = stores.alerts.find()
    assert (False, RESOLVED, 6, 5) == (alert.flapping, alert.status, alert.count, alert.reopened)


def test_a_flapping_alert_keeps_its_acknowledgement_and_a_person_ends_it(stores: StoppedClock) -> None:
    judge(stores, *[False, True, True] * 3, False)
    acknowledge(stores, 1, "ann")
    judge(stores, True, True, False)
    assert [("ann", True)] == [(alert.acknowledged_by, alert.flapping) for alert in stores.alerts.find()]
    resolve(stores, 1, "ann", "the pump is off")
    assert ("resolved", "team", None) == told(stores)[-1]
    assert ["opened"] == judge(stores, False)


def test_an_alert_on_a_channel_that_is_gone_says_so(stores: StoppedClock, tmp_path: Path) -> None:
    judge(stores, False)
    (tmp_path / "alerting.yaml").write_text(ALERTING.replace("team", "crew"))
    judge(stores, True, True)
    assert [("opened", "team", None), ("resolved", "team", "alerting.yaml has no channel 'team'")] == told(stores)


def test_a_rule_with_for_is_pending_first_and_a_pass_drops_it(tmp_path: Path) -> None:
    stores = alerted_stores(tmp_path)
    (tmp_path / "endpoints" / "cancer.yaml").write_text(WAITING)
    assert ["pending"] == judge(stores, False, rule="error_rate")
    assert [(PENDING, [])] == [(alert.status, told(stores)) for alert in stores.alerts.find()]
    assert ["dropped"] == judge(stores, True, rule="error_rate")
    assert [] == stores.alerts.find()
    for minutes, expected in ((0, "pending"), (29, "counted"), (30, "opened")):
        stores.moment = NOW + minutes * MINUTE
        assert [expected] == judge(stores, False, rule="error_rate")
    [alert] = stores.alerts.find()
    assert (OPEN, 3, NOW) == (alert.status, alert.count, alert.opened_at)
    [event] = stores.alert_events.of(alert.id or 0)
    assert ("opened", "team:risk", {"tier": "gold"}, "open") == (
        event.event,
        event.detail["owner"],
        event.detail["labels"],
        event.detail["state"],
    )


WAITING = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: cancer
  model_name: tumours
  task: binary_classification
  label: benign
  alerts:
    - {kind: error_rate, above: 0.1, for: 30m, owner: "team:risk", labels: {tier: gold}}
"""


def test_routes_and_silences_see_owner_and_labels(tmp_path: Path) -> None:
    content = ALERTING.replace("routes:\n", 'routes:\n  - {match: {owner: "team:*"}, channels: [boss]}\n')
    stores = alerted_stores(tmp_path, content)
    (tmp_path / "endpoints" / "cancer.yaml").write_text(WAITING.replace("for: 30m, ", ""))
    judge(stores, False, rule="error_rate")
    assert [("opened", "boss", None)] == told(stores)
    judge(stores, True, True, rule="error_rate")
    made = silence(stores, {"labels.tier": "g*"}, actor="ann", reason="gold", until=NOW + DAY)
    judge(stores, False, rule="error_rate")
    assert ("reopened", "boss", f"silence {made.id} until 2026-03-02T12:00Z: gold") == told(stores)[-1]
