"""How long a drift lasts, and which windows may be a reference because of it."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.drift.calibrated import CalibratedVerdict
from modelops_pipelines.core.drift.channels.measured import Measured
from modelops_pipelines.core.drift.episodes import Accepted, Episode, EpisodeLog, Span, follow
from modelops_pipelines.core.drift.seasonal_reference import EVERYTHING, Eligible, without

DAY = 24
KEY = ("1", "x")


def verdict(
    effect: float, *, flagged: bool | None = False, drifted: bool | None = False, **of: Any
) -> CalibratedVerdict:
    """Return a verdict on x; an ordinary window's effect is 1."""
    channels = ("distribution",) if flagged else ()
    measured = (Measured("distribution", effect, 1.0, math.exp(-effect)),)
    shown: dict[str, Any] = {"statistic": "wasserstein", "value": effect / 20, "threshold": 0.1, "reason": None}
    counts: dict[str, Any] = {"n": 900, "n_reference": 9_000, "missing": 0.0, "missing_reference": 0.0, "days": 20}
    judged: dict[str, Any] = {"p_value": None, "channel": "distribution", "effect": effect, "most": None}
    one = CalibratedVerdict("x", "numeric", **shown, **counts, **judged, flagged=flagged, drifted=drifted)
    return replace(one, **{"channels": channels, "measured": measured, **of})


def followed(effects: list[float | None], length: int = DAY, log: EpisodeLog | None = None) -> list[bool | None]:
    """Return which windows in a row have drifted; from an effect of 6 on they are flagged, None is not judged."""
    kept, flagged, found = log or EpisodeLog(length), False, []
    for number, effect in enumerate(effects):
        start = number * length
        now = effect is not None and effect >= 6
        one = verdict(effect or 0.0, flagged=None if effect is None else now, drifted=now and flagged)
        one = replace(one, drifted=None, measured=()) if effect is None else one
        found.append(kept.follow("1", one, Span(start, start + length, start - length))[0].drifted)
        flagged = now
    return found


def test_a_drift_begins_with_the_window_that_was_flagged_first() -> None:
    log = EpisodeLog(DAY)
    assert [False, False, True] == followed([1, 8, 8], log=log)
    assert Episode(DAY, "distribution", 8) == log.before(KEY, 3 * DAY)
    assert log.before(KEY, 2 * DAY) is None
    assert Eligible(((DAY, 3 * DAY),)) == log.eligible(KEY, 3 * DAY)
    assert EVERYTHING == log.eligible(KEY, 2 * DAY)


def test_a_window_that_is_nearer_to_the_drift_than_to_ordinary_ones_has_drifted_though_it_is_not_flagged() -> None:
    assert [False, True, True, True, True] == followed([8, 8, 5, 5.9, 8])


def test_a_drift_is_over_when_two_days_in_a_row_are_back() -> None:
    log = EpisodeLog(DAY)
    assert [False, True, False, False, False] == followed([8, 8, 1, 1, 8], log=log)
    assert Eligible(((0, 2 * DAY),)) == log.eligible(KEY, 9 * DAY)
    assert [False, True, False, True, False, False] == followed([8, 8, 1, 8, 1, 1])


def test_hours_must_be_back_for_a_day() -> None:
    ordinary = [1.0] * 30
    assert [False, True, *[True] * 23, *[False] * 7] == followed([8, 8, *ordinary], length=1)
    assert [False, *[True] * 63] == followed([8, 8, *ordinary[:20], *[8] * 22, *ordinary[:20]], length=1)


def test_windows_that_cannot_be_judged_neither_end_a_drift_nor_begin_one() -> None:
    assert [False, True, None, None, True, False, None, False, False] == followed([8, 8, None, None, 8, 1, None, 1, 8])
    gone = replace(verdict(1.0), measured=(Measured("missing", 0.0, 1.0, 1.0),))
    one, after = follow(gone, Span(DAY, 2 * DAY), Episode(0, "distribution", 8.0))
    assert (None, Episode(0, "distribution", 8.0)) == (one.drifted, after)
    assert "no values to compare the distribution with" in str(one.reason)


def test_a_drift_moves_to_the_channel_that_is_flagged() -> None:
    now = verdict(
        1.0, flagged=True, measured=(Measured("missing", 9.0, 1.0, 1e-9), Measured("distribution", 1.0, 1.0, 0.4))
    )
    one, after = follow(replace(now, channels=("missing",)), Span(DAY, 2 * DAY), Episode(0, "distribution", 8.0))
    assert (True, Episode(0, "missing", 9.0)) == (one.drifted, after)


def test_accepted_windows_are_the_only_reference_of_later_ones() -> None:
    log = EpisodeLog(DAY, [Accepted("x", DAY, 6 * DAY)])
    assert [False, True, True, True, True, True] == followed([8] * 6, log=log)
    assert log.before(KEY, 5 * DAY) is not None
    assert log.before(KEY, 6 * DAY) is None
    assert Eligible(((0, 5 * DAY),)) == log.eligible(KEY, 5 * DAY)
    assert Eligible((), DAY) == log.eligible(KEY, 6 * DAY)
    assert EVERYTHING == log.eligible(("1", "y"), 6 * DAY)


def test_a_drift_after_the_acceptance_is_no_reference() -> None:
    log = EpisodeLog(DAY, [Accepted("x", 0, 2 * DAY)])
    followed([8] * 5, log=log)
    assert Eligible(((2 * DAY, 5 * DAY),), 0) == log.eligible(KEY, 5 * DAY)
    assert [(3, 9)] == without([(0, 9)], 3)
    assert [] == without([(0, 3)], 3)


@pytest.mark.parametrize(
    ("spans", "first", "days"),
    [
        ([], 72, 28),
        ([(24 * 90, 24 * 97)], 65, 28),
        ([(24 * 90 + 5, 24 * 90 + 6)], 71, 29),
        ([(24 * 40, 24 * 100)], 12, 28),
        ([(24 * 98, 24 * 100), (24 * 60, 24 * 90), (24 * 80, 24 * 97)], 33, 28),
        ([(24 * 10, 24 * 20)], 72, 28),
    ],
)
def test_the_reference_has_as_many_days_without_a_drift(spans: list[tuple[int, int]], first: int, days: int) -> None:
    of = Eligible.of(spans)
    assert (first, days) == (of.first_day(100, 28), len(of.period(100, 28)))
    hours = np.arange(24 * first, 2400)
    inside = {hour for begin, end in spans for hour in range(begin, end)}
    assert [int(hour) not in inside for hour in hours] == of.allows(hours, 1).tolist()
    assert all(hour // 24 in of.period(100, 28) for hour in hours[of.allows(hours, 1)])


def test_a_span_is_allowed_when_all_its_hours_are() -> None:
    of = Eligible.of([(10, 12)], since=3)
    starts = np.arange(15)
    allowed = [start >= 3 and not set(range(start, start + 2)) & {10, 11} for start in range(15)]
    assert allowed == of.allows(starts, 2).tolist()
    assert math.isclose(len(of.period(1, 1)), 1)
