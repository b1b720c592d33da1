"""People acknowledge, resolve and silence alerts; what they did is kept and told, and what cannot be is refused."""

import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, RESOLVED
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.operations.alerting.life import act_on_alerts
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge, end_silence, resolve, silence
from modelops_pipelines.store.state.sql_tables import STATE_TABLES
from tests.support.alert_verdicts import NOW, StoppedClock
from tests.support.told_alerts import MINUTE, alerted_stores, history, judge, told

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return alerted_stores(tmp_path)


def test_an_alert_is_acknowledged_with_a_note_which_whoever_knows_of_it_is_told(stores: StoppedClock) -> None:
    judge(stores, False)
    alert = acknowledge(stores, 1, "ann", "on it")
    assert (ACKNOWLEDGED, "ann", "on it", NOW) == (
        alert.state,
        alert.acknowledged_by,
        alert.note,
        alert.acknowledged_at,
    )
    assert [("opened", "team", None), ("acknowledged", "team", None)] == told(stores)
    assert [alert] == stores.alerts.find("cancer", OPEN)


def test_of_two_people_the_first_acknowledges_and_the_second_s_note_is_kept(stores: StoppedClock) -> None:
    judge(stores, False)
    acknowledge(stores, 1, "ann", "on it")
    stores.moment = NOW + MINUTE
    alert = acknowledge(stores, 1, "ben", "me too")
    assert ("ann", "on it", NOW) == (alert.acknowledged_by, alert.note, alert.acknowledged_at)
    assert [
        ("opened", None, None),
        ("acknowledged", "ann", "on it"),
        ("acknowledged", "ben", "me too"),
    ] == history(stores)


def test_an_acknowledgement_lasts_until_the_alert_is_resolved(stores: StoppedClock) -> None:
    judge(stores, False)
    acknowledge(stores, 1, "ann")
    judge(stores, False, True, False)
    assert [ACKNOWLEDGED] == [alert.state for alert in stores.alerts.find("cancer")]
    judge(stores, True, True)
    assert [(RESOLVED, "ann")] == [(alert.state, alert.acknowledged_by) for alert in stores.alerts.find("cancer")]
    judge(stores, False)
    assert [(OPEN, None)] == [(alert.state, alert.acknowledged_by) for alert in stores.alerts.find("cancer")]


def test_a_rule_that_goes_on_failing_after_a_person_resolved_opens_anew(stores: StoppedClock) -> None:
    judge(stores, False)
    alert = resolve(stores, 1, "ann", "a false alarm")
    assert (RESOLVED, "ann", "a false alarm", NOW) == (
        alert.status,
        alert.resolved_by,
        alert.resolution,
        alert.resolved_at,
    )
    assert ["opened"] == judge(stores, False)
    assert [(2, OPEN), (1, RESOLVED)] == [(alert.id, alert.status) for alert in stores.alerts.find("cancer")]
    assert [("opened", "team", None), ("resolved", "team", None)] == told(stores)


def test_what_is_unknown_or_over_is_refused(stores: StoppedClock) -> None:
    with pytest.raises(UnknownError, match="no alert 7"):
        acknowledge(stores, 7, "ann")
    with pytest.raises(UnknownError, match="no silence 7"):
        end_silence(stores, 7, "ann")
    judge(stores, False)
    resolve(stores, 1, "ann", "fixed")
    for act in (lambda: acknowledge(stores, 1, "ben"), lambda: resolve(stores, 1, "ben", "fixed too")):
        with pytest.raises(ConflictError, match="resolved by ann at 2026-03-01T12:00:00Z"):
            act()
    with pytest.raises(InputError, match="requires a reason"):
        resolve(stores, 1, "ann", " ")
    made = silence(stores, {"rule": "*"}, actor="ann", reason="quiet", until=NOW + DAY)
    end_silence(stores, made.id or 0, "ben")
    with pytest.raises(ConflictError, match="is over"):
        end_silence(stores, made.id or 0, "ben")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"until": NOW - MINUTE}, "is in the past"),
        ({"until": NOW}, "is in the past"),
        ({"until": datetime(2026, 3, 2)}, "no time zone"),  # noqa: DTZ001 - the mistake under test
        ({"until": NOW + DAY, "starts_at": NOW + DAY}, "ends before it begins"),
        ({"until": datetime.max.replace(tzinfo=timezone(-12 * HOUR))}, "'until' is after 2261"),
        ({"until": datetime(1, 1, 1, tzinfo=timezone(14 * HOUR))}, "'until' is before 1970"),
        ({"until": NOW + DAY, "starts_at": datetime(1, 1, 1, tzinfo=timezone(14 * HOUR))}, "'from' is before 1970"),
        ({}, "needs an end"),
        ({"weekly": "Sunday 2-4"}, "no weekly times"),
        ({"weekly": "Sun 02:00-04:00 Europe/Bonn"}, "no weekly times"),
        ({"until": NOW + DAY, "matchers": {}}, "at least one matcher"),
        ({"until": NOW + DAY, "matchers": {"colour": "red"}}, "'colour' is no field"),
        ({"until": NOW + DAY, "matchers": {"labels.": "red"}}, "'labels.' is no field"),
        ({"until": NOW + DAY, "matchers": {"kind": "capture"}}, "never silenced"),
        ({"until": NOW + DAY, "matchers": {"rule": "*" * 300}}, "too long"),
        ({"until": NOW + DAY, "reason": ""}, "requires a reason"),
        ({"until": NOW + DAY, "reason": "x" * 3000}, "3000 characters"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(stores: StoppedClock, given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        silence(stores, **{"matchers": {"rule": "*"}, "actor": "ann", "reason": "quiet", **given})
    assert [] == stores.silences.all()


def test_a_silence_is_kept_with_who_made_and_who_ended_it_and_noted_on_open_alerts(stores: StoppedClock) -> None:
    judge(stores, False)
    judge(stores, False, rule="capture")
    made = silence(stores, {"rule": "*", "endpoint": "can?er"}, actor="ann", reason="moving", until=NOW + DAY)
    assert [made] == stores.silences.all() == stores.silences.not_over(NOW)
    assert [("opened", None, None), ("silenced", "ann", "moving")] == history(stores)
    assert [("opened", None, None)] == history(stores, 2)
    ended = end_silence(stores, made.id or 0, "ben")
    assert ("ben", NOW, []) == (ended.ended_by, ended.ended_at, stores.silences.not_over(NOW))
    assert [ended] == stores.silences.all()


def test_times_of_any_zone_are_kept_in_utc(stores: StoppedClock) -> None:
    east = timezone(14 * HOUR)
    made = silence(stores, {"rule": "*"}, actor="ann", reason="moving", until=(NOW + DAY).astimezone(east))
    assert [made] == stores.silences.all()
    assert "+00:00" == made.until.isoformat()[-6:] if made.until else ""


@pytest.mark.parametrize("values", [{"until": 1 << 60}, {"starts_at": -(1 << 60)}, {"ended_at": 1 << 60}])
def test_a_silence_that_cannot_be_read_withholds_nothing_and_is_logged_once(
    stores: StoppedClock, values: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    silence(stores, {"rule": "*"}, actor="ann", reason="moving", until=NOW + DAY)
    with stores.database.begin() as connected:
        connected.execute(sa.update(STATE_TABLES["silences"]).values(**values))
    with caplog.at_level(logging.WARNING, "modelops"):
        assert ["opened"] == judge(stores, False)
        assert ([], []) == (stores.silences.all(), stores.silences.not_over(NOW))
    assert [("opened", "team", None)] == told(stores)
    assert ["Silence 1 cannot be read"] == [one.getMessage()[:24] for one in caplog.records]


@pytest.mark.parametrize(
    ("limit", "problem"),
    [("MOST_OF_AN_ENDPOINT", "2 silences of endpoint 'cancer'"), ("MOST_SILENCES", "2 silences that are not over")],
)
def test_an_endpoint_and_a_home_have_a_limit_of_silences_that_are_not_over(
    stores: StoppedClock, monkeypatch: pytest.MonkeyPatch, limit: str, problem: str
) -> None:
    monkeypatch.setattr(act_on_alerts, limit, 2)

    def hush(endpoint: str) -> int:
        made = silence(stores, {"endpoint": endpoint}, actor="bob", reason="quiet", until=NOW + DAY)
        return made.id or 0

    first, _ = hush("cancer"), hush("cancer")
    with pytest.raises(ConflictError, match=problem):
        hush("cancer")
    end_silence(stores, first, "bob")
    hush("cancer")
