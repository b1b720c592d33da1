"""Who was champion, since when and why, told from the events."""

from datetime import UTC, datetime, timedelta

from modelops_pipelines.core.release.event_log import Event, champion_periods

START = datetime(2026, 3, 1, tzinfo=UTC)


def event(number: int, action: str, version: str, share: int | None = None) -> Event:
    evidence = {} if share is None else {"share": share}
    return Event(
        number, "e", START + timedelta(hours=number), f"actor {number}", action, None, version, number, "why", evidence
    )


def told(*events: Event) -> list[tuple[str, str, int]]:
    return [(reign.version, reign.action, int(reign.actor.split()[1])) for reign in champion_periods(events)]


def test_nobody_reigned_where_nothing_happened() -> None:
    assert told() == []


def test_a_challenger_reigns_only_once_it_has_the_whole_traffic() -> None:
    steps = [event(2, "deploy", "2", 10), event(3, "promote", "2", 50), event(4, "promote", "2", 100)]
    assert told(event(1, "deploy", "1", 100), *steps) == [("1", "deploy", 1), ("2", "promote", 4)]


def test_a_rollback_begins_a_reign_unless_it_only_withdraws_a_challenger() -> None:
    before = [event(1, "deploy", "1"), event(2, "deploy", "2"), event(3, "deploy", "3", 5)]
    withdrawn = [*before, event(4, "rollback", "2")]
    assert told(*withdrawn) == [("1", "deploy", 1), ("2", "deploy", 2)]
    back = [*withdrawn, event(5, "rollback", "1")]
    assert told(*back) == [("1", "deploy", 1), ("2", "deploy", 2), ("1", "rollback", 5)]


def test_deploying_the_champion_again_begins_no_new_reign() -> None:
    assert told(event(1, "deploy", "1"), event(2, "deploy", "1")) == [("1", "deploy", 1)]


def test_a_reign_has_the_moment_and_the_reason_of_its_event() -> None:
    [reign] = champion_periods([event(1, "deploy", "1")])
    assert (reign.since, reign.reason) == (START + timedelta(hours=1), "why")
