"""Times of maintenance windows: days, times and a time zone, by the clock on the wall there, also when it is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.silencing.maintenance_times import DAYS, parse_times

MINUTE = timedelta(minutes=1)
BERLIN = "Europe/Berlin"


def covers(text: str, moment: datetime) -> bool:
    times = parse_times(text)
    assert times is not None
    return times.cover(moment)


def minutes_of(text: str, start: datetime, days: int = 1) -> int:
    """Return how many minutes of some days they cover."""
    return sum(covers(text, start + number * MINUTE) for number in range(days * 24 * 60))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-01T00:59:59+00:00", False),
        ("2026-03-01T01:00:00+00:00", True),
        ("2026-03-01T02:59:59+00:00", True),
        ("2026-03-01T03:00:00+00:00", False),
        ("2026-03-02T01:30:00+00:00", False),
        ("2026-07-05T00:00:00+00:00", True),
        ("2026-07-05T02:00:00+00:00", False),
    ],
)
def test_a_weekly_window_begins_and_ends_by_the_clock_of_its_zone(moment: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert expected == covers(f"Sun 02:00-04:00 {BERLIN}", datetime.fromisoformat(moment))


def test_the_night_of_a_change_has_an_hour_less_or_more() -> None:
    window = f"Sun 02:00-04:00 {BERLIN}"
    nights = [datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 22), (3, 29), (10, 18), (10, 25))]
    assert [120, 60, 120, 180] == [minutes_of(window, night - timedelta(hours=2)) for night in nights]


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    window = "Fri,Sat 22:00-06:00 UTC"
    saturday = datetime(2026, 3, 7, tzinfo=UTC)
    assert [True, True, False, True, False] == [
        covers(window, saturday + timedelta(hours=hours)) for hours in (-2, 5, 6, 29, 30)
    ]
    assert 2 * 8 * 60 == minutes_of(window, saturday - timedelta(days=3), 7)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("daily 00:00-24:00 UTC", 7 * 1440),
        ("Mon-Fri 09:00-17:00 UTC", 5 * 480),
        ("Sat-Mon 01:00-01:30 UTC", 3 * 30),
        ("Sun 12:00-12:00 UTC", 1440),
        ("2026-03-04 23:30-00:30 UTC", 60),
        ("2026-04-04 23:30-00:30 UTC", 0),
    ],
)
def test_days_are_names_ranges_lists_each_day_or_one_date(text: str, minutes: int) -> None:
    assert minutes == minutes_of(text, datetime(2026, 3, 2, tzinfo=UTC), 7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun",
        "Sun 02:00-04:00",
        "Sun 02:00-04:00 Europe/Bonn",
        "Sun 02:00-04:00 ../../etc/passwd",
        "Sunday 02:00-04:00 UTC",
        "Sun 2:00-4:00 UTC",
        "Sun 24:00-04:00 UTC",
        "Sun 02:00-24:30 UTC",
        "Sun 02:60-04:00 UTC",
        "Mon-Wed-Fri 02:00-04:00 UTC",
        "Mon, 02:00-04:00 UTC",
        "2026-02-30 02:00-04:00 UTC",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_times(text) is None


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - taken as UTC
    st.sampled_from(DAYS),
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_a_moment_is_covered_just_when_the_wall_clock_is_within(
    moment: datetime, day: str, start: int, length: int, zone: str
) -> None:
    end = (start + length) % 1440
    text = f"{day} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {zone}"
    wall = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    of_week = (wall.weekday() * 1440 + wall.hour * 60 + wall.minute - DAYS.index(day) * 1440 - start) % (7 * 1440)
    assert (of_week < length) == covers(text, moment.replace(tzinfo=UTC))
