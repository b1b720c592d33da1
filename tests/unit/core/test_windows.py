"""Windows are whole hours and days in UTC; a range of time touches just those that it overlaps."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.windows import LENGTH, text, window_of, windows_between, with_earlier

SIZES = st.sampled_from(["hour", "day"])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.builds(
    lambda hours, zone: (EPOCH + hours).astimezone(zone),
    st.timedeltas(timedelta(days=-4000), timedelta(days=80_000)),
    ZONES,
)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


@given(MOMENTS, SIZES)
@settings(deadline=None)
def test_a_moment_lies_in_its_window_whatever_its_zone(moment: datetime, size: str) -> None:
    start = window_of(moment, size)
    assert start <= moment < start + LENGTH[size]
    assert start == window_of(start, size)
    assert start.tzinfo is UTC


@given(MOMENTS, st.timedeltas(timedelta(hours=-30), timedelta(days=3)), SIZES)
@settings(deadline=None)
def test_a_range_touches_just_the_windows_that_overlap_it(start: datetime, length: timedelta, size: str) -> None:
    end = start + length
    around = [window_of(start, size) + n * LENGTH[size] for n in range(-40, 80)]
    overlapping = [w for w in around if start < end and w < end and start < w + LENGTH[size]]
    assert overlapping == windows_between(start, end, size)


@pytest.mark.parametrize("size", ["hour", "day"])
def test_an_empty_or_backward_range_touches_nothing(size: str) -> None:
    within = NOON + timedelta(minutes=30)
    assert [] == windows_between(within, within, size) == windows_between(within, NOON, size)


@given(st.sets(st.integers(0, 300), max_size=12), st.integers(0, 40), SIZES)
@settings(deadline=None)
def test_windows_with_earlier_ones_are_those_before_each_and_none_between(
    asked: set[int], most: int, size: str
) -> None:
    step = LENGTH[size]
    windows = [EPOCH + n * step for n in asked]
    wanted = {window - n * step for window in windows for n in range(most + 1)}
    assert sorted(wanted) == with_earlier(windows, most * step, size)


def test_the_text_of_a_moment_is_in_utc_with_a_z() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=2)))
    assert "2026-03-29T12:00:00Z" == text(berlin)
    assert NOON == datetime.fromisoformat(text(berlin))
