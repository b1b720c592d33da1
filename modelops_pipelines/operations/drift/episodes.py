"""The episodes of drift before some windows, from the stored verdicts, and what may be a reference because of them.

Only the days are read that can be a reference: those between the beginning of a lasting drift and its last windows are
not, however long it lasts.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from modelops_pipelines.core.drift.channels.lasting_shift import MOST_DAYS
from modelops_pipelines.core.drift.episodes import Accepted, Episode, EpisodeLog
from modelops_pipelines.core.drift.seasonal_reference import DAY, WEEK
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.store.lake.rows.profiles import date_of, hour_of, moment_of
from modelops_pipelines.store.stores import Stores

COLUMNS = ("since", "back_since", "lasting_channel", "lasting_effect", "back_evidence")
"""The columns of ``drift`` that hold an episode."""
_NAMES = ("window_start", "model_version", "column", "flagged", *COLUMNS)
LONGEST = 2 * WEEK
"""Hours between the beginning of a drift and the window that finds it, at most: both may be widened by a week."""
_EPOCH = date(1970, 1, 1)
_HOUR = 3_600_000_000
"""Microseconds, which the lake's moments are in."""


class Episodes(EpisodeLog):
    """The drift of each version's columns, window by window: as judged in this run, else as stored."""

    def __init__(self, stores: Stores, spec: EndpointSpec, start: datetime, judged_now: Collection[datetime]) -> None:
        """Read what is stored on the windows before ``start``, or between those that are ``judged_now``."""
        accepted = stores.acceptances.of(spec.name)
        super().__init__(
            LENGTH[spec.window] // timedelta(hours=1),
            [Accepted(one.column, hour_of(one.since), hour_of(one.until)) for one in accepted],
        )
        self._stores, self._spec, self._start = stores, spec, hour_of(start)
        self._end = hour_of(max([start, *judged_now]))
        self._ignored = {hour_of(window) for window in judged_now}
        self._read_days, self._reached = set[int](), 0
        self.dates: list[date] = []
        """The dates that can be part of a reference of a window from ``start`` on."""
        self.reach(spec.drift.days + (MOST_DAYS if spec.window == "day" else 0))

    def reach(self, days: int) -> None:
        """Read what is stored on a reference of as many days, further back where these hold an episode."""
        if days <= self._reached:
            return
        self._reached = days
        if self._end > self._start:  # a drift that is found now may have begun before: its days are replaced by others
            days += LONGEST // DAY
        day = self._start // DAY
        wanted = set(range(day - days, self._end // DAY + 1)) | self._newest_day(day)
        while unread := wanted - self._read_days:
            self._read(sorted(unread))
            self._read_days |= unread
            wanted |= {one for key in self.drifted for one in self.eligible(key, self._start).period(day, days)}
        self.dates = [date_of(day) for day in sorted(wanted)]

    def _newest_day(self, day: int) -> set[int]:
        """Return the newest day with verdicts before a day: an endpoint may have been silent for months."""
        known = ((one - _EPOCH).days for one in self._stores.lake.dates(self._spec.name, DRIFT.name))
        return set(sorted(one for one in known if one < day)[-1:])

    def _read(self, days: Sequence[int]) -> None:
        rows = self._stores.lake.read(self._spec.name, DRIFT, [date_of(day) for day in days], _NAMES)
        drifting = rows["since"].is_valid()
        episodes = map(_episode, rows.filter(drifting).to_pylist())  # of few rows: all others are read by column
        columns = (rows["model_version"], rows["column"], drifting, rows["flagged"].is_valid())
        hours = (micros // _HOUR for micros in rows["window_start"].cast("int64").to_pylist())
        for hour, version, column, drifts, flagged in zip(hours, *(one.to_pylist() for one in columns), strict=True):
            episode = next(episodes) if drifts else None
            if (drifts or flagged) and hour < self._end and hour not in self._ignored:
                self.add((version, column), hour, episode)


def episode_row(one: Episode | None) -> dict[str, Any]:
    """Return an episode as columns of ``drift``; none without one."""
    if one is None:
        return {}
    back = None if one.back is None else moment_of(one.back)
    return dict(zip(COLUMNS, (moment_of(one.since), back, one.channel, one.level, one.evidence), strict=True))


def _episode(row: Mapping[str, Any]) -> Episode:
    back = None if row["back_since"] is None else hour_of(row["back_since"])
    evidence = row["back_evidence"] or 0.0
    return Episode(hour_of(row["since"]), row["lasting_channel"], row["lasting_effect"], back, evidence)
