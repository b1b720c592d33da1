"""Matchers name fields of an alert by patterns; a silence withholds from its start to its end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Traits
from modelops_pipelines.core.alerting.configuration import MaintenanceWindow
from modelops_pipelines.core.alerting.silencing.matchers import fields_of, matches, unknown_fields
from modelops_pipelines.core.alerting.silencing.silences import NEVER_SILENCED, Silence, is_silence, silenced_by

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TRAITS = Traits(None, "team:risk", {"tier": "gold"}, None)
WINDOW = MaintenanceWindow("Sun 12:00-13:00 UTC", "backups")


def alert(kind: str = "drift") -> Alert:
    return Alert("flights", "drift_[x]", kind, OPEN, "warning", "m", 1, 0, NOW, NOW, None, "w", "w", 1)


def made(**changes: object) -> Silence:
    fields = {"matchers": {"endpoint": "fl*"}, "reason": "quiet", "until": NOW + HOUR, "weekly": None, **changes}
    return Silence(created_at=NOW, created_by="ann", starts_at=NOW, id=3, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ({}, True),
        ({"endpoint": "flights"}, True),
        ({"endpoint": "fl?ghts", "severity": "warn*"}, True),
        ({"endpoint": "fl?ghts", "severity": "error"}, False),
        ({"rule": "drift_[x]"}, True),
        ({"rule": "drift_[xy]"}, False),
        ({"owner": "team:*", "labels.tier": "gold"}, True),
        ({"labels.region": "*"}, False),
        ({"endpoint": "FLIGHTS"}, False),
        ({"endpoint": "light"}, False),
    ],
)
def test_all_matchers_must_match_and_a_field_must_be_there(matchers: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert expected == matches(matchers, fields_of(alert(), TRAITS))


@given(st.text(max_size=20))
def test_a_text_without_wildcards_matches_itself_only(text: str) -> None:
    if not set(text) & set("*?"):
        assert matches({"rule": text}, {"rule": text})
        assert not matches({"rule": text}, {"rule": f"{text}x"})


def test_an_owner_that_is_not_there_matches_nothing() -> None:
    assert not matches({"owner": "*"}, fields_of(alert(), Traits()))
    assert ["colour", "labels."] == unknown_fields({"colour": "", "labels.": "", "labels.x": "", "kind": ""})


def test_a_silence_withholds_from_its_start_to_its_end() -> None:
    reasons = [silenced_by(alert(), TRAITS, [made()], [], NOW + hours * HOUR) for hours in (-0.1, 0, 0.9, 1)]
    said = "silence 3 until 2026-03-01T13:00Z: quiet"
    assert [None, said, said, None] == reasons
    assert silenced_by(alert(), TRAITS, [made(ended_at=NOW)], [], NOW) is None
    assert silenced_by(alert(), TRAITS, [made(matchers={"rule": "other"})], [], NOW) is None


def test_a_weekly_silence_withholds_in_its_times_until_its_end_if_it_has_one() -> None:
    weekly = made(weekly="Sun 12:00-13:00 UTC", until=None)
    days = [silenced_by(alert(), TRAITS, [weekly], [], NOW + days * 24 * HOUR) is not None for days in (0, 1, 7, 700)]
    assert [True, False, True, True] == days
    assert silenced_by(alert(), TRAITS, [made(weekly="Sun 12:00-13:00 UTC")], [], NOW + 168 * HOUR) is None


def test_a_maintenance_window_withholds_and_both_are_known_by_their_words() -> None:
    why = silenced_by(alert(), TRAITS, [], [WINDOW], NOW)
    assert "maintenance window Sun 12:00-13:00 UTC: backups" == why
    assert [True, True, False, False] == [is_silence(text) for text in (why, "silence 3: x", "flapping", None)]


@pytest.mark.parametrize("kind", sorted(NEVER_SILENCED))
def test_some_kinds_are_never_silenced(kind: str) -> None:
    assert silenced_by(alert(kind), TRAITS, [made(matchers={"endpoint": "*"})], [WINDOW], NOW) is None
