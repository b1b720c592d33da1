"""What channels are told late: they were missing in ``alerting.yaml``, or have a new name."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.operations.alerting.life.act_on_alerts import silence
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from tests.support.alert_verdicts import NOW, StoppedClock
from tests.support.told_alerts import ALERTING, MINUTE, alerted_stores, judge, told

NO_TEAM = "alerting.yaml has no channel 'team'"


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return alerted_stores(tmp_path)


def write(stores: StoppedClock, content: str) -> None:
    stores.settings.alerting_file.write_text(content)


def look(stores: StoppedClock, minutes: int = 1) -> None:
    stores.moment += minutes * MINUTE
    look_after_alerts(stores, stores.moment)


def test_who_was_told_that_it_opened_is_told_its_end_while_the_file_is_gone(stores: StoppedClock) -> None:
    judge(stores, False)
    stores.settings.alerting_file.unlink()
    judge(stores, True, True)
    assert [("opened", "team", None), ("resolved", "team", None)] == told(stores)


def test_who_was_told_that_it_opened_is_told_its_end_once_its_channel_is_there_again(stores: StoppedClock) -> None:
    judge(stores, False)
    write(stores, ALERTING.replace("team", "crew"))
    judge(stores, True, True)
    look(stores)
    assert [("opened", "team", None), ("resolved", "team", NO_TEAM)] == told(stores)
    write(stores, ALERTING)
    for _ in range(2):
        look(stores)
    assert [("opened", "team", None), ("resolved", "team", None)] == told(stores)
    assert NOW + 2 * MINUTE == stores.notifications.of(1)[-1].due_at


def test_a_channel_with_a_new_name_is_told_of_what_is_open_once_and_its_end(stores: StoppedClock) -> None:
    judge(stores, False)
    judge(stores, False, rule="quiet_rule")
    write(stores, ALERTING.replace("team", "crew"))
    for _ in range(3):
        look(stores)
    assert [("opened", "team", None), ("opened", "crew", None)] == told(stores)
    judge(stores, True, True)
    assert [("resolved", "crew", None), ("resolved", "team", NO_TEAM)] == told(stores)[2:]
    assert [] == told(stores, 2)


def test_what_opened_without_a_channel_is_told_once_there_is_one_and_escalated_later(tmp_path: Path) -> None:
    stores = alerted_stores(tmp_path, "")
    judge(stores, False)
    look(stores, 120)
    assert [] == told(stores)
    write(stores, ALERTING)
    for _ in range(2):
        look(stores)
    assert [("opened", "team", None)] == told(stores)
    look(stores, 60)
    assert [("escalated", "duty", None), ("escalated", "team", None)] == sorted(
        told(stores)[1:], key=lambda one: one[1]
    )


def test_what_a_silence_withheld_is_told_to_the_channel_that_there_is_when_it_ends(stores: StoppedClock) -> None:
    made = silence(stores, {"rule": "*"}, actor="ann", reason="quiet", until=NOW + timedelta(hours=1))
    judge(stores, False)
    write(stores, ALERTING.replace("team", "crew"))
    look(stores)
    withheld = ("opened", "team", f"silence {made.id} until 2026-03-01T13:00Z: quiet")
    assert [withheld] == told(stores)
    look(stores, 120)
    assert [withheld, ("opened", "crew", None)] == told(stores)


def test_another_route_for_what_is_known_tells_nobody_again(stores: StoppedClock) -> None:
    judge(stores, False)
    write(stores, ALERTING.replace("  - {channels: [team],", "  - {channels: [boss],"))
    look(stores)
    assert [("opened", "team", None)] == told(stores)
