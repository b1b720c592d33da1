"""Episodes that are followed by the signed shift of each day."""

from dataclasses import replace
from typing import Any

import pytest

from modelops_pipelines.core.drift.calibrated import CalibratedVerdict
from modelops_pipelines.core.drift.channels.measured import Measured
from modelops_pipelines.core.drift.episodes import Episode, EpisodeLog, Span, follow

DAY = 24
ORDINARY = 1.5
"""What is ordinary for a day; a shift of 5 is a little over three of these."""
TOLD = Span(10 * DAY, 11 * DAY, 9 * DAY)


def verdict(today: float, *, channels: tuple[str, ...] = (), distance: float = 1.0) -> CalibratedVerdict:
    measured = (
        Measured("distribution", distance, 1.0, 0.2),
        Measured("shift", today, ORDINARY, 1e-4, lasting=today, since=7 * DAY),
    )
    shown: dict[str, Any] = {"statistic": "wasserstein", "value": distance / 20, "threshold": 0.1, "reason": None}
    counts: dict[str, Any] = {"n": 900, "n_reference": 9_000, "missing": 0.0, "missing_reference": 0.0, "days": 20}
    judged: dict[str, Any] = {"p_value": None, "channel": (channels or ("distribution",))[0], "most": None}
    flags: dict[str, Any] = {"flagged": bool(channels), "drifted": bool(channels), "channels": channels}
    return CalibratedVerdict("x", "numeric", **shown, **counts, **judged, effect=distance, **flags, measured=measured)


def followed(level: float, days: list[float]) -> list[bool | None]:
    log, found = EpisodeLog(DAY), []
    log.add(("1", "x"), 0, Episode(0, "shift", level))
    for number, today in enumerate(days, 1):
        span = Span(number * DAY, (number + 1) * DAY, (number - 1) * DAY)
        found.append(log.follow("1", verdict(today), span)[0].drifted)
    return found


def test_it_begins_with_the_first_of_the_days_and_their_signed_shift() -> None:
    _, after = follow(verdict(-5.0, channels=("shift",)), TOLD, None)
    assert Episode(7 * DAY, "shift", -5.0) == after


@pytest.mark.parametrize(("shift", "channel"), [(5.0, "shift"), (3.0, "distribution")])
def test_a_distance_that_a_shift_explains_is_followed_by_the_shift(shift: float, channel: str) -> None:
    _, after = follow(verdict(shift, channels=("distribution",), distance=8.0), TOLD, None)
    assert after is not None
    assert (9 * DAY, channel) == (after.since, after.channel)


@pytest.mark.parametrize("sign", [1, -1])
def test_one_outlying_day_ends_nothing_and_two_ordinary_days_in_a_row_end_it(sign: int) -> None:
    days = [sign * day for day in (5.0, -9.0, 5.0, 4.0, 0.0, 5.0, 0.0, 0.0, 0.0)]
    assert [True, True, True, True, True, True, True, False, False] == followed(sign * 5.0, days)


def test_days_nearer_to_the_shift_than_to_none_keep_it_however_many() -> None:
    assert {True} == set(followed(5.0, [3.0, 4.0, 3.5, 9.0, 2.8] * 20))


def test_a_level_stays_what_was_measured() -> None:
    for today in (-8.0, -3.5):
        _, after = follow(verdict(today), TOLD, Episode(0, "shift", -5.0))
        assert Episode(0, "shift", -5.0) == after


def test_another_channel_takes_over_only_when_the_shift_is_back() -> None:
    before = Episode(0, "shift", 5.0)
    flagged = verdict(5.0, channels=("distribution",), distance=6.0)
    assert "shift" == _channel(flagged, before)
    assert "distribution" == _channel(verdict(0.0, channels=("distribution",), distance=6.0), before)
    gone = replace(flagged, measured=flagged.measured[:1])
    assert "distribution" == _channel(gone, before)


def _channel(one: CalibratedVerdict, before: Episode) -> str | None:
    now, after = follow(one, TOLD, before)
    assert now.drifted
    return None if after is None else after.channel
